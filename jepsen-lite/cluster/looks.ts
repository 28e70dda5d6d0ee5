import { Agent, request } from 'undici'
import { createHash } from '../../lib/platform/xxhash.ts'
import { partitionOf } from '../../lib/protocol/ring/partition.ts'
import { type Bucket, type Key, toRecordKey } from '../../lib/vocabulary/key.ts'
import type { RunScope } from '../run-scope.ts'
import { bucket, pathOf, vidOf } from '../values.ts'
import type { Member } from './member.ts'

/** What a read by quorum answered. */
export interface Look {
  readonly isAnswered: boolean
  readonly vals: readonly string[]
  readonly context: string | undefined
  readonly error: string | undefined
}

/** A node's own copy. */
export interface CopyLook {
  readonly node: string
  readonly isAnswered: boolean
  readonly vals: readonly string[]
  /** Undefined: it has none. */
  readonly state: string | undefined
  readonly tomb: boolean
  readonly context: string | undefined
}

interface SiblingsJson {
  readonly siblings: readonly { readonly value?: string }[]
}

/** How the harness itself looks at what is stored. */
export class Looks {
  readonly #agent = new Agent({
    connections: 32,
    headersTimeout: 12_000,
    bodyTimeout: 12_000,
    connect: { timeout: 3_000 },
  })

  constructor(scope: RunScope) {
    scope.teardown(() => this.#agent.destroy())
  }

  /** What all owners know together, through that node. */
  async read(node: Member, key: string): Promise<Look> {
    const path = `${pathOf(key)}?r=all&sloppy=false&timeout=10000`
    const { status, text, context } = await this.#get(node, path)
    if (status === 200) return { isAnswered: true, vals: [vidOf(text)], context, error: undefined }
    if (status === 300) return { isAnswered: true, vals: valuesOf(JSON.parse(text)), context, error: undefined }
    if (status === 404) return { isAnswered: true, vals: [], context, error: undefined }
    const error = /"code":"([a-z-]+)"/.exec(text)?.[1] ?? (status === 0 ? 'no answer' : String(status))
    return { isAnswered: false, vals: [], context: undefined, error }
  }

  async copy(node: Member, key: string): Promise<CopyLook> {
    const { status, text } = await this.#get(node, `/v1/replica/${bucket}/${encodeURIComponent(key)}`)
    const { name } = node
    if (status !== 200) {
      return { node: name, isAnswered: false, vals: [], state: undefined, tomb: false, context: undefined }
    }
    const view = JSON.parse(text) as SiblingsJson & {
      readonly stateHash: string | null
      readonly tombstone: boolean
      readonly context: string | null
    }
    const { stateHash, tombstone: tomb } = view
    const vals = valuesOf(view)
    return {
      node: name,
      isAnswered: true,
      vals,
      state: stateHash ?? undefined,
      tomb,
      context: view.context ?? undefined,
    }
  }

  async #get(node: Member, path: string): Promise<{ status: number; text: string; context: string | undefined }> {
    try {
      const headers = { accept: 'application/json' }
      const response = await request(`http://${node.http}${path}`, { headers, dispatcher: this.#agent })
      const text = await response.body.text()
      const context = response.headers['starling-context']
      // One value is answered as its bytes, whatever is accepted.
      return { status: response.statusCode, text, context: typeof context === 'string' ? context : undefined }
    } catch (error) {
      return { status: 0, text: String(error), context: undefined }
    }
  }
}

/** The names of the owners of a key, as the newest layout that `node` knows has them. */
export async function ownersFrom(node: Member): Promise<(key: string) => readonly string[]> {
  const hash = await createHash()
  const ring = (await node.json('/v1/cluster/ring')) as unknown as {
    readonly partitionCount: number
    readonly nodes: readonly { readonly name: string }[]
    readonly partitions: readonly (readonly number[])[]
  }
  return (key) => {
    const { token } = toRecordKey(bucket as Bucket, key as Key, hash)
    const owners = ring.partitions[partitionOf(token, ring.partitionCount)] ?? []
    return owners.map((place) => ring.nodes[place]?.name ?? '?')
  }
}

function valuesOf({ siblings }: SiblingsJson): readonly string[] {
  return siblings.map(({ value = '' }) => vidOf(value))
}
