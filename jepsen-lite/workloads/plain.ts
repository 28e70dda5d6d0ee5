import { checkAcknowledgedWrites } from '../../test/checkers/check-acknowledged-writes.ts'
import { pathOf, valueWith, vidOf } from '../values.ts'
import type { ClientParts, Workload, WorkloadClient } from '../workload.ts'

const keys = 20

/** Reads a key, and writes it with what was read. */
export const plain: Workload = {
  name: 'sibling-set',
  summary: 'read, then write with the context of what was read',
  client: (parts) => new PlainClient(parts),
  check: (records) => [{ name: 'acknowledged writes', ...checkAcknowledgedWrites(records) }],
}

class PlainClient implements WorkloadClient {
  readonly #parts: ClientParts
  #process: number
  #written = 0

  constructor(parts: ClientParts) {
    this.#parts = parts
    this.#process = parts.recorder.nextProcess()
  }

  async next(): Promise<void> {
    const { fraction, cluster, recorder, number } = this.#parts
    const node = cluster.members[Math.floor(fraction() * cluster.members.length)]
    const k = `k${Math.floor(fraction() * keys)}`
    if (node === undefined) return
    const read = { p: this.#process, f: 'get', k, node: node.name }
    recorder.add({ t: 'invoke', ...read })
    const got = await ask(node.http, 'GET', k)
    if (got.status !== 200 && got.status !== 300 && got.status !== 404) return this.#failed(read, got.text)
    const vals = got.status === 404 ? [] : got.status === 200 ? [vidOf(got.text)] : siblingsOf(got.text)
    recorder.add({ t: 'ok', ...read, vals, tok: got.context })
    this.#written += 1
    const vid = `c${number}-${this.#written}`
    const write = { p: this.#process, f: 'put', k, vid, node: node.name }
    recorder.add({ t: 'invoke', ...write, ctx: vals, ctxTok: got.context })
    const put = await ask(node.http, 'PUT', k, valueWith(vid), got.context)
    if (put.status !== 204) return this.#failed(write, put.text)
    recorder.add({ t: 'ok', ...write, retTok: put.context })
  }

  #failed(base: { readonly p: number; readonly f: string }, text: string): void {
    const isHarmless = text.includes('"aftermath":"nothing-changed"')
    const error = /"code":"([a-z-]+)"/.exec(text)?.[1] ?? 'no answer'
    this.#parts.recorder.add({ t: isHarmless ? 'fail' : 'info', ...base, error })
    if (!isHarmless) this.#process = this.#parts.recorder.nextProcess()
  }
}

function siblingsOf(text: string): readonly string[] {
  const { siblings } = JSON.parse(text) as { readonly siblings: readonly { readonly value: string }[] }
  return siblings.map(({ value }) => vidOf(value))
}

async function ask(http: string, method: string, key: string, body?: string, context?: string) {
  try {
    const response = await fetch(`http://${http}${pathOf(key)}`, {
      method,
      headers: { accept: 'application/json', ...(context === undefined ? {} : { 'starling-context': context }) },
      signal: AbortSignal.timeout(8_000),
      ...(body === undefined ? {} : { body }),
    })
    const text = await response.text()
    return { status: response.status, text, context: response.headers.get('starling-context') ?? undefined }
  } catch (error) {
    return { status: 0, text: String(error), context: undefined }
  }
}
