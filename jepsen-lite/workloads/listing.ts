import { bucket } from '../values.ts'
import type { ClientParts, ClusterView, Recorder, Workload } from '../workload.ts'
import { checkListings } from './check-listings.ts'
import { strictQuorums, timeoutMs } from './door.ts'
import { HttpDoor, refusalOf, send } from './http.ts'
import { judgeStrict, named } from './judge.ts'
import { drawn } from './read-merge-write.ts'
import { RecordedClient, type Seen, scripted } from './recorded-client.ts'

const keysOfEach = 20
const listShare = 0.1
const deleteShare = 0.4
/** Of the listings, from the last key to the first. */
const reverseShare = 0.5
/** Of them, with values: every key is read. */
const valuesShare = 0.3
/** Small pages: a listing goes on at other nodes. */
const pageKeys = 40

/** Over plain HTTP. Each key has one writer. */
export const listing: Workload = {
  name: 'listing',
  summary:
    'keys come and go while the bucket is listed page by page, in either direction, with and without values: nothing that is there is missing, nothing invented',
  client(parts) {
    const door = new HttpDoor(parts)
    return scripted(life(new RecordedClient(parts, door), parts), door)
  },
  async finish({ cluster, recorder }) {
    for (const member of cluster.members) {
      const lister = new Lister({ recorder, nodeNow: () => member }, 'final')
      await lister.list(noOptions)
      await lister.list({ reverse: true, values: true })
    }
  },
  check: (records) => [named('listings', checkListings(records)), ...judgeStrict(records)],
}

async function* life(client: RecordedClient, parts: ClientParts): AsyncGenerator<void, never> {
  const { fraction, cluster, recorder, number } = parts
  const nodeNow = (): Member => cluster.members[Math.floor(fraction() * cluster.members.length)] as Member
  const lister = new Lister({ recorder, nodeNow }, client.session)
  const known = new Map<string, Seen>()
  for (;;) {
    if (fraction() < listShare) {
      await lister.list({ reverse: fraction() < reverseShare, values: fraction() < valuesShare })
      yield
      continue
    }
    const key = drawn(fraction, `list-${number}-`, keysOfEach)
    if (fraction() >= deleteShare) {
      note(key, (await client.put(key, known.get(key), strictQuorums)).seen)
      yield
      continue
    }
    // The token of a read is sure to cover what is to be deleted.
    const read = await client.get(key, strictQuorums)
    yield
    if (read.seen === undefined || read.values.length === 0) continue
    note(key, (await client.delete(key, read.seen, strictQuorums)).seen)
    yield
  }

  function note(key: string, seen: Seen | undefined): void {
    if (seen !== undefined) known.set(key, seen)
  }
}

type Member = ClusterView['members'][number]

/** Lists the whole bucket, each page through a node of its own; in the history as `list`, with the keys as `vals`. */
class Lister {
  readonly #recorder: Recorder
  readonly #nodeNow: () => Member
  readonly #session: string
  #process: number

  constructor(parts: { readonly recorder: Recorder; readonly nodeNow: () => Member }, session: string) {
    this.#recorder = parts.recorder
    this.#nodeNow = parts.nodeNow
    this.#session = session
    this.#process = parts.recorder.nextProcess()
  }

  async list(options: ListOptions): Promise<void> {
    const base = { p: this.#process, s: this.#session, f: 'list' }
    this.#recorder.add({ t: 'invoke', ...base })
    const vals: string[] = []
    let isComplete = true
    let cursor: string | null = ''
    let node = ''
    while (cursor !== null) {
      const member = this.#nodeNow()
      node = member.name
      const page = await pageAt(member, cursor, options)
      if ('error' in page) {
        this.#recorder.add({ t: page.type, ...base, node, error: page.error })
        if (page.type === 'info') this.#process = this.#recorder.nextProcess()
        return
      }
      vals.push(...page.keys)
      isComplete &&= page.isComplete
      cursor = page.cursor
    }
    this.#recorder.add({ t: 'ok', ...base, node, vals, v: { isComplete, isReverse: options.reverse } })
  }
}

interface ListOptions {
  readonly reverse: boolean
  readonly values: boolean
}

const noOptions: ListOptions = { reverse: false, values: false }

interface Page {
  readonly keys: readonly string[]
  readonly cursor: string | null
  readonly isComplete: boolean
}

async function pageAt(
  member: Member,
  cursor: string,
  { reverse, values }: ListOptions,
): Promise<Page | { readonly type: 'fail' | 'info'; readonly error: string }> {
  const query = new URLSearchParams({ limit: String(pageKeys), timeout: String(timeoutMs) })
  if (cursor !== '') query.set('cursor', cursor)
  if (reverse) query.set('reverse', 'true')
  if (values) query.set('values', 'true')
  const reply = await send({ member, method: 'GET', path: `/v1/kv/${bucket}?${query}`, headers: {} })
  if ('type' in reply) return reply
  if (reply.status !== 200) return refusalOf(reply)
  const lines = reply.text.trimEnd().split('\n')
  const end = JSON.parse(lines.pop() ?? '{}') as { end?: true; cursor: string | null; complete: boolean }
  if (end.end !== true) return { type: 'info', error: 'cut' }
  const keys = lines.map((line) => (JSON.parse(line) as { readonly key: string }).key)
  return { keys, cursor: end.cursor, isComplete: end.complete }
}
