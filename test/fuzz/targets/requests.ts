import type { Hlc } from '../../../lib/protocol/clock/hlc.ts'
import type { ClientRequest } from '../../../lib/protocol/quorum/client-request.ts'
import type { Key } from '../../../lib/vocabulary/key.ts'
import type { Frame, Request } from '../../../lib/wire/messages.ts'
import { bucket } from '../../node/fixtures/test-cluster.ts'
import { request } from '../../wire/fixtures/frame-arbitraries.ts'
import type { Target, Trial } from '../target.ts'
import { streamOf, withFraming } from './frame-bytes.ts'
import { LivingCluster } from './living-cluster.ts'
import { samplesOf } from './samples.ts'
import { bytesOf } from './text.ts'

const inputsOfOneCluster = 2_000
const servesEvery = 100
const askedOf = ['ada', 'bob', 'cyd'] as const

/** What an embedded client may ask of real nodes. The first byte says whom. */
export const requests: Target = {
  name: 'requests',
  summary: 'what a client asks of real nodes: answered or refused in time, and never a bug',
  seeds: () => [...ordinary(), ...samplesOf(request, 200)].map((message, index) => asked(index, message)),
  repair: (input) => Uint8Array.of(input[0] ?? 0, ...withFraming(input.subarray(1))),
  bytesMax: 4096,
  stepsMax: { base: 20_000_000, each: 100_000 },
  isOfNodes: true,
  inputsInTests: 2_000,
  open,
}

function open(): Trial {
  const living = new LivingCluster(inputsOfOneCluster)
  let inputs = 0
  return {
    run(input) {
      living.begin()
      const to = askedOf[(input[0] ?? 0) % askedOf.length] as string
      living.ask(to, { role: 'client', nodeId: '' }, input.subarray(1))
      inputs += 1
      if (inputs % servesEvery === 0) living.mustServe()
    },
  }
}

export function asked(index: number, message: Request): Uint8Array {
  const frame: Frame = { kind: 'request', id: index, digest: { number: 1, documentHash: 1 }, message }
  return Uint8Array.of(index % 256, ...streamOf([frame]))
}

/** As programs ask every day: most of what is made of these is understood. */
export function ordinary(): readonly Request[] {
  const key = 'k' as Key
  const parts = { bucket, key, timeoutMs: 1000 } as const
  const options = { w: undefined, pw: undefined, sloppy: true, durability: undefined } as const
  const get: ClientRequest = { ...parts, type: 'get', options: { r: undefined, pr: undefined, sloppy: true } }
  const put: ClientRequest = {
    ...{ ...parts, type: 'put', options, value: bytesOf('tea'), contentType: 'text/plain', metadata: [['m', '1']] },
    ...{
      context: undefined,
      ifMatch: undefined,
      ifNoneMatch: false,
      idempotency: undefined,
      ttlSeconds: 60,
      returnValue: true,
    },
  }
  const remove: ClientRequest = {
    ...parts,
    type: 'delete',
    options,
    context: undefined,
    ifMatch: undefined,
    idempotency: undefined,
  }
  const range = { bucket, prefix: '', start: '', end: '', after: '', reverse: false, limit: 10 }
  return [
    { type: 'coordinate', request: get, hops: 0 },
    { type: 'coordinate', request: put, hops: 0 },
    {
      type: 'coordinate',
      request: { ...put, idempotency: { key: 'i-1', isFirst: true, since: 0 as Hlc } },
      hops: 0,
    },
    { type: 'coordinate', request: remove, hops: 0 },
    { type: 'coordinate-many', requests: [put, get, remove, get], hops: 0, answerBytesMax: 1_000_000 },
    { type: 'scan', range, withValues: true, timeoutMs: 1000 },
    { type: 'scan', range: { ...range, reverse: true, start: 'a', end: 'z' }, withValues: false, timeoutMs: 1000 },
    { type: 'discover' },
    { type: 'take-stock' },
    { type: 'read-bucket', bucket },
  ]
}
