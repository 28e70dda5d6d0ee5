import { Agent, request } from 'undici'
import type { Reachable } from '../../node/fixtures/real-nodes.ts'
import type { Lab } from './lab.ts'
import type { Shown } from './ledger.ts'

export interface Reply {
  /** 0: there was no answer. */
  readonly status: number
  readonly text: string
  readonly context: string | undefined
}

/** Kept connections to the nodes, for many small requests. */
export class Http {
  readonly #agent = new Agent({
    connections: 64,
    headersTimeout: 8_000,
    bodyTimeout: 8_000,
    connect: { timeout: 3_000 },
  })

  constructor(lab: Lab) {
    lab.teardown(() => this.#agent.destroy())
  }

  async call(
    node: Reachable,
    method: 'GET' | 'PUT' | 'DELETE' | 'POST',
    path: string,
    { headers = {}, body }: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string } = {},
  ): Promise<Reply> {
    try {
      const response = await request(`http://${node.http}${path}`, {
        method,
        headers,
        dispatcher: this.#agent,
        ...(body === undefined ? {} : { body }),
      })
      const text = await response.body.text()
      const context = response.headers['starling-context']
      return { status: response.statusCode, text, context: typeof context === 'string' ? context : undefined }
    } catch (error) {
      return { status: 0, text: String(error), context: undefined }
    }
  }

  post(node: Reachable, path: string): Promise<Reply> {
    return this.call(node, 'POST', path, { headers: { 'content-type': 'application/json' }, body: '{}' })
  }

  /** A read by quorum through that node; undefined when it failed. */
  async read(node: Reachable, key: string, query = ''): Promise<Shown | undefined> {
    const reply = await this.call(node, 'GET', `${pathOf(key)}${query}`, { headers: { accept: 'application/json' } })
    if (reply.status === 200) return { values: [reply.text], isTombstone: false }
    if (reply.status === 404) return { values: [], isTombstone: reply.context !== undefined }
    if (reply.status !== 300) return undefined
    return { values: valuesOf(JSON.parse(reply.text)), isTombstone: false }
  }

  /** That node's own copy, and its state hash; undefined when it did not answer. */
  async copy(node: Reachable, key: string): Promise<Copy | undefined> {
    const reply = await this.call(node, 'GET', `/v1/replica/${bucket}/${encodeURIComponent(key)}`)
    if (reply.status !== 200) return undefined
    const view = JSON.parse(reply.text) as CopyView
    return { values: valuesOf(view), isTombstone: view.tombstone, isPresent: view.present, stateHash: view.stateHash }
  }
}

export interface Copy extends Shown {
  readonly isPresent: boolean
  readonly stateHash: string | null
}

interface CopyView {
  readonly present: boolean
  readonly tombstone: boolean
  readonly stateHash: string | null
  readonly siblings: readonly { readonly value: string }[]
}

export const bucket = 'scenario'

export function pathOf(key: string): string {
  return `/v1/kv/${bucket}/${encodeURIComponent(key)}`
}

function valuesOf(view: { readonly siblings: readonly { readonly value: string }[] }): readonly string[] {
  return view.siblings.map(({ value }) => value)
}
