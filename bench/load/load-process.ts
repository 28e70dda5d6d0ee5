/** Makes the load on one system, in a process of its own: what clients cost is not the servers' cost. */
import { Arrivals } from './arrivals.ts'
import { runClosedLoop } from './closed-loop.ts'
import { openEmbeddedDriver } from './embedded-driver.ts'
import { writeAll } from './fill.ts'
import { openFloorDriver } from './floor-driver.ts'
import { openHttpDriver } from './http-driver.ts'
import { type KeyDistribution, keyChooser } from './key-choice.ts'
import { KeySpace } from './key-space.ts'
import type { Driver } from './lane.ts'
import { runOpenLoop } from './open-loop.ts'
import type { Mix } from './operation-choice.ts'
import type { Answer, Order, Target } from './orders.ts'
import { type Fractions, seededFractions } from './random.ts'

let keys = new KeySpace(1, 1)
/** Popular and unpopular keys stay what they are while others are inserted. */
let filledCount = 1
let fraction: Fractions = seededFractions(0)
const choosers = new Map<KeyDistribution, () => number>()
/** Kept between the warm-up and the run behind it: neither shall pay for connecting. */
let open: { readonly id: string; readonly driver: Driver } | undefined

process.on('message', (order: Order) => {
  obey(order).then(
    (answer) => process.send?.(answer),
    (error: Error) => process.send?.({ type: 'gave-up', reason: error.message } satisfies Answer),
  )
})
process.on('disconnect', () => process.exit(0))

async function obey(order: Order): Promise<Answer> {
  switch (order.type) {
    case 'prepare':
      keys = new KeySpace(order.keyCount, order.valueBytes)
      filledCount = order.keyCount
      fraction = seededFractions(order.seed)
      choosers.clear()
      return { type: 'ready' }
    case 'fill': {
      const driver = await driverFor(order.target, order.inFlight)
      return { type: 'finished', result: await writeAll(keys, driver) }
    }
    case 'run': {
      const driver = await driverFor(order.target, order.inFlight)
      const { writeShare, writeType = 'write', scanMax, rate } = order
      const mix: Mix = { writeShare, writeType, scanMax, chooseKey: chooserFor(order.distribution), fraction }
      if (rate !== undefined) {
        const arrivals = new Arrivals(rate, fraction)
        return { type: 'finished', result: await runOpenLoop(keys, driver, mix, arrivals, order.end.durationMs) }
      }
      return { type: 'finished', result: await runClosedLoop(keys, driver, mix, order.end) }
    }
  }
}

function chooserFor(distribution: KeyDistribution): () => number {
  let chooser = choosers.get(distribution)
  if (chooser === undefined) {
    chooser = keyChooser(distribution, filledCount, fraction, () => keys.newest)
    choosers.set(distribution, chooser)
  }
  return chooser
}

async function driverFor(target: Target, inFlight: number): Promise<Driver> {
  const id = JSON.stringify([target, inFlight])
  if (open?.id === id) return open.driver
  await open?.driver.close()
  open = undefined
  const driver = await connectTo(target, inFlight)
  open = { id, driver }
  return driver
}

function connectTo(target: Target, inFlight: number): Promise<Driver> {
  switch (target.type) {
    case 'http':
      return openHttpDriver(keys, target.ports, target.path, target.token, inFlight)
    case 'floor':
      return openFloorDriver(keys, target.ports, inFlight)
    case 'embedded':
      return openEmbeddedDriver(keys, target, inFlight)
  }
}
