import { checkAcknowledgedWrites } from '../../test/checkers/check-acknowledged-writes.ts'
import { checkRegisters } from '../../test/checkers/check-registers.ts'
import type { NamedResult, Workload } from '../workload.ts'
import { strictQuorums } from './door.ts'
import { HttpDoor } from './http.ts'
import { copies, named } from './judge.ts'
import { RecordedClient, type Seen, scripted } from './recorded-client.ts'
import { Shared } from './shared.ts'

const writeShare = 0.4
const writesPerKey = 100

/**
 * Of the reads, those of keys that are being written at that moment, and of keys whose last write has an unknown end: that
 * may be seen, and then must stay. There alone one read can see more than the next.
 */
const underWayShare = 0.5
const unsettledShare = 0.2
const recentlyUnsettled = 8
/** Such a key is read through so many nodes, one right after the other: what some owners lack is theirs within milliseconds. */
const roundLength = 3

interface Registers {
  /** Of each client of a run the key that it writes. */
  readonly current: Map<number, string>
  /** The keys that are being written, longest first. */
  readonly underWay: Set<string>
  /** The keys whose last write has an unknown end, the latest last. Nobody writes them any more. */
  readonly unsettled: string[]
}

const registers = new Shared<Registers>(() => ({ current: new Map(), underWay: new Set(), unsettled: [] }))

/** Over plain HTTP. Each key has one writer and many readers, and one value at a time. */
export const registerRegular = register('regular', 'async', 'a read shows the last write, or one that is under way')
export const registerAtomic = register('atomic', 'blocking', 'reads and writes of a key fit into one order')

function register(model: 'regular' | 'atomic', readRepair: 'async' | 'blocking', promise: string): Workload {
  return {
    name: `register-${model}`,
    summary: `keys with one writer, strict quorums, read repair ${readRepair}: ${promise}`,
    bucket: { conflict: 'lww', durability: 'disk', readRepair },
    client(parts) {
      const door = new HttpDoor(parts)
      const client = new RecordedClient(parts, door)
      const keys = registers.of(parts.recorder)
      return scripted(life(client, door, parts.number, `${model}-`, parts.fraction, keys), door)
    },
    check: (records): readonly NamedResult[] => [
      named(`${model} register`, checkRegisters(records, { model })),
      named('acknowledged writes', checkAcknowledgedWrites(records)),
      copies(records, true),
    ],
  }
}

/**
 * Each write sends back the token of the one before: so it lies behind that, whatever the clocks of their coordinators say.
 * After a write of unknown outcome nobody writes its key any more, or it would have two writers.
 */
async function* life(
  client: RecordedClient,
  door: HttpDoor,
  number: number,
  prefix: string,
  fraction: () => number,
  { current, underWay, unsettled }: Registers,
): AsyncGenerator<void, never> {
  let last: Seen | undefined
  let writes = 0
  let keysUsed = 0
  takeNextKey()
  for (;;) {
    if (fraction() < writeShare) {
      const key = current.get(number) as string
      underWay.add(key)
      const put = await client.put(key, last, strictQuorums)
      underWay.delete(key)
      writes += 1
      if (put.seen !== undefined) last = { token: put.seen.token, vids: [put.vid], dots: [] }
      if (put.type === 'info') {
        unsettled.push(key)
        await readAround(key)
      }
      if (put.type === 'info' || writes === writesPerKey) takeNextKey()
    } else {
      const doubtful = doubtfulKey()
      if (doubtful === undefined) await client.get(oneOf([...current.values()]), strictQuorums)
      else await readAround(doubtful)
    }
    yield
  }

  /** One of which some owners may have what others lack. */
  function doubtfulKey(): string | undefined {
    const share = fraction()
    if (share < unsettledShare && unsettled.length > 0) return oneOf(unsettled.slice(-recentlyUnsettled))
    // All of them the same one, until its write ends.
    const [longest] = underWay
    return share < unsettledShare + underWayShare ? longest : undefined
  }

  async function readAround(key: string): Promise<void> {
    for (const target of door.aimAround(roundLength)) await client.get(key, strictQuorums, target)
  }

  function oneOf(keys: readonly string[]): string {
    return keys[Math.floor(fraction() * keys.length)] as string
  }

  function takeNextKey(): void {
    keysUsed += 1
    writes = 0
    last = undefined
    current.set(number, `${prefix}${number}-${keysUsed}`)
  }
}
