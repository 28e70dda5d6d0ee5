import t from 'tap'
import { Arrivals } from '../../bench/load/arrivals.ts'
import { runClosedLoop, timeOf } from '../../bench/load/closed-loop.ts'
import { writeAll } from '../../bench/load/fill.ts'
import { KeySpace } from '../../bench/load/key-space.ts'
import type { Driver, Lane, OperationOutcome } from '../../bench/load/lane.ts'
import { runOpenLoop } from '../../bench/load/open-loop.ts'
import { perform } from '../../bench/load/operation.ts'
import { chooseOperation, type Mix } from '../../bench/load/operation-choice.ts'
import { seededFractions } from '../../bench/load/random.ts'

type Done = (outcome: OperationOutcome) => void

t.test('arrivals', async (t) => {
  t.test('come at the rate that was asked for, with the gaps of a Poisson process', async (t) => {
    const arrivals = new Arrivals(2000, seededFractions(3))
    const times = Array.from({ length: 50_000 }, () => arrivals.take())
    const gaps = times.slice(1).map((time, index) => time - (times[index] as number))
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
    const longer = gaps.filter((gap) => gap > mean).length / gaps.length
    t.ok(Math.abs(mean - 0.5) < 0.01, `a gap of ${mean} ms`)
    t.ok(Math.abs(longer - Math.exp(-1)) < 0.01, 'as many gaps are above the mean as the distribution says')
    t.ok(
      gaps.every((gap) => gap >= 0),
      'none is before the one before it',
    )
  })
  t.test('are repeated by their seed', async (t) => {
    const one = new Arrivals(10, seededFractions(5))
    const other = new Arrivals(10, seededFractions(5))
    for (let count = 0; count < 10; count += 1) t.equal(one.take(), other.take())
  })
  t.test('need a rate', async (t) => {
    t.throws(() => new Arrivals(0, seededFractions(1)), RangeError)
  })
})

t.test('a server that stalls for a while', async (t) => {
  const stallMs = 300
  t.test('makes all wait that arrive in it, in an open loop', async (t) => {
    const keys = new KeySpace(10, 100)
    const driver = stallingDriver(stallMs, 4)
    const result = await runOpenLoop(keys, driver, reads(), new Arrivals(500, seededFractions(1)), 400)
    t.ok(result.operations > 120, `${result.operations} of about 200 arrived, whatever the server did`)
    t.ok(result.p50Ms > 20, `half of them waited more than ${result.p50Ms} ms, most of it for a lane`)
  })
  t.test('is seen by as many as there are clients, in a closed loop', async (t) => {
    const keys = new KeySpace(10, 100)
    const result = await runClosedLoop(keys, stallingDriver(stallMs, 4), reads(), timeOf(400))
    t.ok(result.p50Ms < 20, 'which is why its latencies say nothing of what users see')
  })
})

t.test('what is not answered in time', async (t) => {
  t.test('a run goes on until it has enough operations, and no longer than it may', async (t) => {
    const keys = new KeySpace(10, 100)
    const end = { durationMs: 0, operationsMin: 50, durationMsMax: 10_000 }
    t.equal((await runClosedLoop(keys, stallingDriver(0, 1), reads(), end)).operations, 50)
    const cut = { durationMs: 0, operationsMin: 1_000_000, durationMsMax: 30 }
    t.ok((await runClosedLoop(keys, stallingDriver(0, 1), reads(), cut)).operations < 1_000_000)
  })
})

t.test('filling', async (t) => {
  t.test('tries a key again that failed, and reads it before: it may be there', async (t) => {
    const keys = new KeySpace(20, 100)
    const asked: string[] = []
    const failing = new Set([3, 7])
    const driver = driverOf(2, {
      put: (key, done) => {
        asked.push(`put ${key}`)
        answer(done, failing.delete(key) ? 'failed' : 'done')
      },
      get: (key, done, keepsContext) => {
        asked.push(`get ${key}${keepsContext ? ' for its context' : ''}`)
        answer(done, 'failed')
      },
    })
    t.match(await writeAll(keys, driver), { failed: 0, operations: 22 })
    t.same(asked.filter((words) => words.endsWith(' 3')).length, 2)
    t.ok(asked.includes('get 7 for its context'))
  })
  t.test('gives up in the end, and says how many are missing', async (t) => {
    const driver = driverOf(2, {
      put: (_key, done) => answer(done, 'failed'),
      get: (_key, done) => answer(done, 'failed'),
    })
    t.match(await writeAll(new KeySpace(5, 100), driver), { failed: 5 })
  })
})

t.test('operations', async (t) => {
  t.test('a share of them writes', async (t) => {
    const keys = new KeySpace(1000, 100)
    const mix: Mix = { ...reads(), writeShare: 0.25, chooseKey: nextOf(1000) }
    let writes = 0
    for (let count = 0; count < 4000; count += 1) {
      const { type, key } = chooseOperation(keys, mix)
      if (type === 'read') continue
      writes += 1
      keys.endWrite(key)
    }
    t.ok(Math.abs(writes - 1000) < 100, `${writes} of 4000`)
  })
  t.test('where the others scan, by a uniform number of keys', async (t) => {
    const keys = new KeySpace(1000, 100)
    const mix: Mix = { ...reads(), scanMax: 100, chooseKey: nextOf(1000) }
    const counts = Array.from({ length: 4000 }, () => chooseOperation(keys, mix)).map(({ type, count = 0 }) =>
      type === 'scan' ? count : Number.NaN,
    )
    t.equal(Math.min(...counts), 1)
    t.equal(Math.max(...counts), 100)
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
    t.ok(Math.abs(mean - 50.5) < 3, `${mean}`)
  })
  t.test('a key that is being written is not written by another client', async (t) => {
    const keys = new KeySpace(2, 100)
    const mix: Mix = { ...reads(), writeShare: 1, chooseKey: nextOf(2) }
    t.same([chooseOperation(keys, mix).key, chooseOperation(keys, mix).key].sort(), [0, 1])
    t.throws(() => chooseOperation(keys, mix), /more keys/)
  })
  t.test('an inserted key is the newest once it and those before it are there', async (t) => {
    const keys = new KeySpace(3, 100)
    const insert: Mix = { ...reads(), writeShare: 1, writeType: 'insert' }
    const one = chooseOperation(keys, insert)
    const other = chooseOperation(keys, insert)
    t.same([one.key, other.key, keys.newest], [3, 4, 2])
    keys.endWrite(other.key)
    t.equal(keys.newest, 2, 'the one before it is still under way')
    keys.endWrite(one.key)
    t.equal(keys.newest, 4)
    t.equal(keys.count, 5)
  })
  t.test('read-modify-write is one operation: its write names what its read found', async (t) => {
    const keys = new KeySpace(1, 100)
    const asked: string[] = []
    const [lane] = driverOf(1, {
      put: (_key, done) => {
        asked.push('put')
        answer(done, 'done')
      },
      get: (_key, done, keepsContext) => {
        asked.push(keepsContext ? 'get for its context' : 'get')
        answer(done, 'siblings')
      },
    }).lanes
    keys.beginWrite(0)
    const outcome = await new Promise((resolve) => {
      perform(keys, lane as Lane, { key: 0, type: 'read-modify-write' }, resolve)
    })
    t.same(asked, ['get for its context', 'put'])
    t.equal(outcome, 'siblings', 'of the read, when the write succeeded')
    t.notOk(keys.isBeingWritten(0))
  })
})

function reads(): Mix {
  return { writeShare: 0, writeType: 'write', chooseKey: () => 0, fraction: seededFractions(2) }
}

function nextOf(count: number): () => number {
  let next = 0
  return () => next++ % count
}

/** Answers at once, but for everything that it is asked in the first `stallMs`. */
function stallingDriver(stallMs: number, laneCount: number): Driver {
  const endMs = performance.now() + stallMs
  const wait = (done: Done): void => {
    const leftMs = endMs - performance.now()
    if (leftMs > 0) setTimeout(() => done('done'), leftMs)
    else answer(done, 'done')
  }
  return driverOf(laneCount, { put: (_key, done) => wait(done), get: (_key, done) => wait(done) })
}

function driverOf(laneCount: number, lane: Lane): Driver {
  return { lanes: Array.from({ length: laneCount }, () => lane), close: async () => undefined }
}

function answer(done: Done, outcome: OperationOutcome): void {
  setImmediate(() => done(outcome))
}
