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

/** Of the reads, those of keys that nobody writes any more: a write of unknown end may be seen, and then must stay. */
const leftShare = 0.3
const recentlyLeft = 15

interface Registers {
  /** Of each client of a run the key that it writes. */
  readonly current: Map<number, string>
  /** Those that were written before, the latest last. */
  readonly left: string[]
}

const registers = new Shared<Registers>(() => ({ current: new Map(), left: [] }))

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
      return scripted(life(client, parts.number, `${model}-`, parts.fraction, keys), door)
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
  number: number,
  prefix: string,
  fraction: () => number,
  { current, left }: Registers,
): AsyncGenerator<void, never> {
  let last: Seen | undefined
  let writes = 0
  let keysUsed = 0
  takeNextKey()
  for (;;) {
    if (fraction() < writeShare) {
      const put = await client.put(current.get(number) as string, last, strictQuorums)
      writes += 1
      if (put.seen !== undefined) last = { token: put.seen.token, vids: [put.vid], dots: [] }
      if (put.type === 'info' || writes === writesPerKey) takeNextKey()
    } else {
      const all = left.length > 0 && fraction() < leftShare ? left.slice(-recentlyLeft) : [...current.values()]
      await client.get(all[Math.floor(fraction() * all.length)] as string, strictQuorums)
    }
    yield
  }

  function takeNextKey(): void {
    keysUsed += 1
    writes = 0
    last = undefined
    const before = current.get(number)
    if (before !== undefined) left.push(before)
    current.set(number, `${prefix}${number}-${keysUsed}`)
  }
}
