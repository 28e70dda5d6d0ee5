/**
 * What it costs to know who asks and whether they may, in microseconds of one thread. CPU time, so that other work on the
 * machine does not count.
 *
 * node dist/bench/parts/access.js
 */
import type { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { HttpAccess } from '../../lib/http/http-access.ts'
import { keyInPath } from '../../lib/http/route-permission.ts'
import type { Caller } from '../../lib/links/frame-acceptor.ts'
import { FrameAccess } from '../../lib/node/frame-access.ts'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { plainIdentity } from '../../lib/ports/network.ts'
import { Doorkeeper } from '../../lib/security/doorkeeper.ts'
import { TokenAuthority } from '../../lib/security/token-authority.ts'
import { emptyTokenMap, withToken } from '../../lib/security/token-map.ts'
import { mintToken } from '../../lib/security/token-text.ts'
import { toEndpoint } from '../../lib/vocabulary/ids.ts'
import type { Bucket, Key } from '../../lib/vocabulary/key.ts'
import type { Request } from '../../lib/wire/messages.ts'

const rounds = 5
const callsPerRound = 100_000
const tokens = 100

const cryptography = createCryptography()
const wallMs = (): number => Date.now()
const authority = new TokenAuthority({ cryptography, wallMs, isUpToDate: () => true, onRefused: () => {} })
const doorkeeper = new Doorkeeper({ authority, asksForCertificates: false, wallMs, onTurnedAway: () => {} })
const http = new HttpAccess(doorkeeper, undefined)
const frames = new FrameAccess(doorkeeper)

const whole = mintToken(cryptography)
const limited = mintToken(cryptography)
const target = '/v1/kv/carts/somebody%40example.org?r=1'
const remote = toEndpoint('10.0.0.1:5')
const permission = { needs: 'read', at: keyInPath } as const
const respond = (): void => {}
const get: Request = {
  type: 'coordinate',
  hops: 0,
  request: {
    ...{ type: 'get', bucket: 'carts' as Bucket, key: 'somebody@example.org' as Key, timeoutMs: 1_000 },
    options: { r: 1, pr: 0, sloppy: true },
  },
}

measure('nobody is asked: over HTTP', () => http.isOn)
measure('nobody is asked: over frames', () => frames.isFree(get))
demandTokens()
for (const [name, { text }] of Object.entries({ 'without scopes': whole, 'with 4 scopes': limited })) {
  const known = requestOf(new Socket(), `Bearer ${text}`)
  measure(`${name}: a connection that is known, both looks at it, and what it may`, () => {
    http.identify(known)
    http.admit(permission, known, target)
  })
  const caller: Caller = { role: 'client', nodeId: '', remote, identity: plainIdentity, token: text }
  measure(`${name}: the same over frames`, () => frames.admit(get, caller, respond))
}
const socket = new Socket()
const shown = [whole, limited].map(({ text }) => requestOf(socket, `Bearer ${text}`)) as [
  IncomingMessage,
  IncomingMessage,
]
let turn = 0
measure('a connection that shows another token than before', () => {
  turn = 1 - turn
  return http.identify(shown[turn as 0 | 1])
})
const stranger = requestOf(new Socket(), `Bearer ${whole.text.slice(0, -1)}!`)
measure('a stranger with a token that is none', () => http.identify(stranger))
const silent = requestOf(new Socket(), undefined)
measure('a stranger with none', () => http.identify(silent))

function demandTokens(): void {
  let map = emptyTokenMap
  const entry = {
    role: 'write',
    createdAtMs: 0,
    createdBy: '',
    expiresAtMs: undefined,
    revokedAtMs: undefined,
  } as const
  const scopes = ['a', 'b', 'c', 'carts'].map((bucket) => ({ bucket, isBucketPrefix: false, keyPrefix: '' }))
  for (let number = 1; number <= tokens; number += 1) {
    const { id, hash } = number === 1 ? whole : number === 2 ? limited : mintToken(cryptography)
    map = withToken(map, { ...entry, id, number, hash, name: id, scopes: number === 2 ? scopes : undefined })
  }
  authority.demandTokens([])
  authority.learn(map)
}

function requestOf(socket: Socket, authorization: string | undefined): IncomingMessage {
  return { socket, headers: { authorization } } as IncomingMessage
}

/** The best of some rounds, after one for nothing. */
function measure(name: string, call: () => unknown): void {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round <= rounds; round += 1) {
    const before = process.cpuUsage()
    for (let count = 0; count < callsPerRound; count += 1) call()
    const { user, system } = process.cpuUsage(before)
    if (round > 0) best = Math.min(best, (user + system) / callsPerRound)
  }
  console.log(`${best.toFixed(3).padStart(8)} us  ${name}`)
}
