import t from 'tap'
import type { MetaStore } from '../../lib/node/meta-store.ts'
import { type RecoveryCause, RecoveryDriver } from '../../lib/node/recovery-driver.ts'
import type { RequestContext } from '../../lib/node/request-context.ts'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { hlcFromMs, hlcZero } from '../../lib/protocol/clock/hlc.ts'
import type { LayoutInForce } from '../../lib/protocol/layout/layout-in-force.ts'
import { World } from '../../lib/simulator/world.ts'
import { toNodeId } from '../../lib/vocabulary/ids.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { liveLayout, type Owned } from './fixtures/live-layouts.ts'

const ada = toNodeId('0a'.repeat(16))
const bob = toNodeId('0b'.repeat(16))

t.test(
  'a recovery that begins while exchanges of the one before are under way goes on when they have ended',
  async (t) => {
    const world = new World({ seed: 1, hash, createCryptography })
    const layout = liveLayout([{ owners: [ada, bob] }])
    const { time, log } = world.portsFor('ada')
    const asked: { readonly partition: number; readonly done: (isLearnt: boolean) => void }[] = []
    const meta = { read: () => undefined, write: () => {}, remove: () => {} } as unknown as MetaStore
    const driver = new RecoveryDriver(
      { time, log, meta, learnBarriers: (partition, _owners, done) => asked.push({ partition, done }) },
      () => {},
    )
    driver.begin(cause('wiped'), layout, ada, context(layout))
    t.equal(asked.length, 4, 'as many exchanges as may run')
    driver.begin(cause('restored'), layout, ada, context(layout))
    t.equal(asked.length, 4, 'they have not ended')
    for (const { done } of asked.slice()) done(false)
    t.equal(asked.length, 8, 'now others run')
  },
)

t.test(
  'what went back in time and is awaited exchanges with nobody, and is as old as it is (docs/rules.md D6)',
  async (t) => {
    const world = new World({ seed: 1, hash, createCryptography })
    const { time, log } = world.portsFor('ada')
    const asked: number[] = []
    let recovered = 0
    const meta = {
      read: () => undefined,
      write: () => {},
      remove: (_name: string, _durability: string, done: (failure: undefined) => void) => done(undefined),
    } as unknown as MetaStore
    const driver = new RecoveryDriver({ time, log, meta, learnBarriers: (partition) => asked.push(partition) }, () => {
      recovered += 1
    })
    const dropped: Owned = { owners: [bob], awaited: [ada], number: 2 }
    driver.begin(cause('restored'), liveLayout([dropped]), ada, context(liveLayout([dropped])))
    t.same(asked, [])
    t.equal(driver.asOf(3, hlcFromMs(5000)), hlcZero, 'whatever it owned once')
    driver.layoutChanged(liveLayout([{ ...dropped, number: 3 }]), ada)
    t.equal(driver.isRestored(3), true)
    driver.layoutChanged(liveLayout([{ ...dropped, awaited: [], number: 4 }]), ada)
    t.same([driver.partitionsLeft, recovered], [0, 1], 'it begins anew with everything')
  },
)

function cause(reason: RecoveryCause['reason']): RecoveryCause {
  return { reason, isContinued: false, leasedUpTo: hlcZero, startedAt: hlcZero }
}

function context(layout: LayoutInForce): RequestContext {
  return {
    self: ada,
    layout: { inForce: layout },
    peers: { isReachable: () => true },
    gained: { isCopying: () => false },
    minting: { read: () => hlcZero },
  } as unknown as RequestContext
}
