import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../../lib/client/database.ts'
import { connect } from '../../../lib/connect.ts'
import { type CausalContext, StarlingError, text } from '../../../lib/index.ts'
import type { Reachable } from '../../node/fixtures/real-nodes.ts'
import { bucket, type Http, pathOf, type Reply } from './http.ts'
import type { Lab } from './lab.ts'

/** A failed request throws this. */
export class RequestFailed extends Error {
  override readonly name = 'RequestFailed'
  readonly isUnknown: boolean

  /** @param isUnknown nobody knows whether it was applied */
  constructor(code: string, isUnknown: boolean) {
    super(code)
    this.isUnknown = isUnknown
  }
}

/** A way of requests to the cluster, with the retries that a client of this kind makes by itself. */
export interface Driver {
  readonly name: string
  /** @returns the context of the answer @throws RequestFailed */
  put(key: string, value: string, context: string | undefined, isStrict: boolean): Promise<string | undefined>
  /** A read by a quorum of owners. @returns the values @throws RequestFailed */
  readStrict(key: string): Promise<readonly string[]>
}

/** Of the client library, as it is by default, but without a session: what a strict read shows, it shows to everybody. */
export async function clientDriver(lab: Lab, seeds: readonly Reachable[], deadlineMs = 10_000): Promise<Driver> {
  const database: Database = await connect(
    seeds.map(({ peer }) => peer),
    { session: false, deadlineMs },
  )
  lab.teardown(() => database.close())
  const values = database.bucket(bucket, { codec: text })
  const failed = (error: unknown): never => {
    if (!(error instanceof StarlingError)) throw error
    throw new RequestFailed(`client: ${error.code}: ${error.message}`, error.aftermath === 'may-have-changed')
  }
  return {
    name: 'client library',
    put: (key, value, context, isStrict) =>
      values.put(key, value, { context: context as CausalContext | undefined, sloppy: !isStrict }).catch(failed),
    readStrict: async (key) => {
      const found = await values.get(key, { sloppy: false }).catch(failed)
      return found?.siblings.map(({ value }) => value) ?? []
    },
  }
}

const httpTriesMax = 6
const httpPauseMs = 50
const timeoutMs = 10_000
const nobody: Reply = { status: 0, text: 'no node runs', context: undefined }

/**
 * Plain HTTP to one node after the other, as a program without our library does it: the next node when one refuses for now
 * or does not answer, with one idempotency key for all tries of a write.
 */
export function httpDriver(lab: Lab, http: Http, nodes: () => readonly Reachable[]): Driver {
  let next = 0
  let keys = 0
  const ask = async (
    method: 'GET' | 'PUT',
    path: string,
    headers: Readonly<Record<string, string>>,
    body?: string,
  ): Promise<Reply> => {
    let isDoubtful = false
    for (let tries = 1; ; tries += 1) {
      const all = nodes()
      next += 1
      const node = all[next % all.length]
      const reply =
        node === undefined
          ? nobody
          : await http.call(node, method, path, { headers, ...(body === undefined ? {} : { body }) })
      if (reply.status !== 0 && reply.status < 400) return reply
      if (reply.status === 404) return reply
      if (!reply.text.includes('"aftermath":"nothing-changed"')) isDoubtful = true
      if (tries === httpTriesMax || (reply.status >= 400 && reply.status < 500 && reply.status !== 429))
        throw new RequestFailed(
          `http: ${reply.status === 0 ? `no answer: ${reply.text}` : `${reply.status} ${problemOf(reply.text)}`}`,
          isDoubtful && method !== 'GET',
        )
      await sleep(httpPauseMs * tries)
    }
  }
  return {
    name: 'HTTP',
    put: async (key, value, context, isStrict) => {
      keys += 1
      const headers = {
        'content-type': 'text/plain',
        'idempotency-key': `${lab.options.seed}-${process.pid}-${keys}`,
        ...(context === undefined ? {} : { 'starling-context': context }),
      }
      return (await ask('PUT', `${pathOf(key)}?timeout=${timeoutMs}&sloppy=${!isStrict}`, headers, value)).context
    },
    readStrict: async (key) => {
      const accept = { accept: 'application/json' }
      const reply = await ask('GET', `${pathOf(key)}?timeout=${timeoutMs}&sloppy=false`, accept)
      if (reply.status === 404) return []
      return reply.status === 200 ? [reply.text] : siblingsOf(reply.text)
    },
  }
}

function siblingsOf(body: string): readonly string[] {
  return (JSON.parse(body) as { siblings: readonly { value: string }[] }).siblings.map(({ value }) => value)
}

function problemOf(body: string): string {
  const code = /"code":"([a-z-]+)"/.exec(body)?.[1] ?? ''
  return `${code}: ${/"detail":"([^"]*)"/.exec(body)?.[1] ?? ''}`
}
