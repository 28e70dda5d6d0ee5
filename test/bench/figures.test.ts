import t from 'tap'
import { quantile } from '../../bench/load/latencies.ts'
import type { Run } from '../../bench/measure.ts'
import { rowsOf } from '../../bench/report/rows.ts'
import { spreadOf } from '../../bench/report/statistics.ts'
import { startupVerdicts, verdictsOf } from '../../bench/report/verdicts.ts'
import { cpuMicroseconds, readPs, readStat } from '../../bench/systems/cpu-time.ts'
import type { ClientKind, SystemName } from '../../bench/systems/system.ts'
import { targets } from '../../bench/targets.ts'
import { runOf } from './fixtures/run-of.ts'

const quick = { median: 60, least: 50, most: 70, count: 5 }

t.test('a quantile is a latency that was measured', async (t) => {
  t.equal(quantile([1, 2, 3, 4], 0.5), 2)
  t.equal(quantile([1, 2, 3, 4], 0.99), 4)
  t.equal(quantile([], 0.5), 0)
})

t.test('the median of an even number of rounds lies between the two in the middle', async (t) => {
  t.same(spreadOf([4, 1, 3, 2]), { median: 2.5, least: 1, most: 4, count: 4 })
  t.equal(spreadOf([]), undefined)
})

t.test('CPU time of a process', async (t) => {
  t.equal(readStat('42 (a (strange) name) S 1 42 42 0 -1 4194560 1 0 0 0 150 25 0 0 20 0'), 1_750_000, '/proc/PID/stat')
  t.equal(readPs(' 1:02.50\n'), 62_500_000, 'ps of macOS')
  t.equal(readPs('1-02:03:04'), 93_784_000_000, 'ps of Linux')
  const before = cpuMicroseconds(process.pid)
  // However little of a busy machine this process gets.
  while (cpuMicroseconds(process.pid) === before);
  t.ok(cpuMicroseconds(process.pid) > before, 'grows while the process works')
})

t.test('a ratio is made of neighbours in time', async (t) => {
  // The machine was twice as slow in the second round: both paid for it.
  const runs = [
    run('starling', 'http', 0, 200),
    run('floor', 'http', 0, 100),
    run('starling', 'http', 1, 400),
    run('floor', 'http', 1, 200),
  ]
  const row = rowsOf(runs).find(({ system }) => system === 'starling')
  t.same(row?.overFloor, { median: 2, least: 2, most: 2, count: 2 })
  t.same(row?.cpuMicros, { median: 300, least: 200, most: 400, count: 2 })
})

t.test('a client is compared with the same kind of client', async (t) => {
  const runs = [run('starling', 'binary', 0, 90), run('floor', 'binary', 0, 30), run('floor', 'http', 0, 90)]
  t.equal(rowsOf(runs)[0]?.overFloor?.median, 3)
})

t.test('a run in which operations failed makes no ratio', async (t) => {
  const runs = [{ ...run('starling', 'http', 0, 10), failed: 11 }, run('floor', 'http', 0, 100)]
  t.equal(rowsOf(runs)[0]?.overFloor, undefined)
  t.equal(rowsOf(runs)[0]?.failed, 11, 'and is said')
})

t.test('verdicts', async (t) => {
  t.test('a floor that costs more than 3 single processes makes the run invalid', async (t) => {
    const runs = [run('floor', 'http', 0, 310), run('single', 'http', 0, 100)]
    t.match(verdictsOf(targets, runs)[0], { outcome: 'invalid', measured: 3.1, target: 3 })
  })
  t.test('a command that is slow to start is said', async (t) => {
    const slow = { median: 151, least: 100, most: 200, count: 5 }
    const verdicts = startupVerdicts({ planMs: quick, versionMs: slow })
    t.same(
      verdicts.map(({ outcome }) => outcome),
      ['kept', 'missed'],
    )
  })
})

function run(system: SystemName, client: ClientKind, round: number, cpuMicros: number): Run {
  return runOf({ contestant: { system, client }, round, cpuMicros })
}
