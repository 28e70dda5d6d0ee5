import t from 'tap'
import { firstOwner, otherOwners } from '../../bench/floor/owners.ts'
import { readOptions } from '../../bench/options.ts'
import { keysOf } from '../../bench/prepare.ts'
import { readProfileOptions } from '../../bench/profile.ts'
import { targets } from '../../bench/targets.ts'
import { contestantsOf, readWorkload, readWorkloads, suites } from '../../bench/workloads.ts'

t.test('a workload is named by words', async (t) => {
  t.test('and has one name, whatever was left out or in which order it came', async (t) => {
    t.equal(readWorkload('put').title, 'put uniform')
    t.equal(readWorkload('A').title, 'A zipfian')
    t.equal(readWorkload('get 5-nodes 16KiB uniform').title, 'get uniform 16KiB 5-nodes')
    t.equal(readWorkload('put disk open').title, 'put uniform disk open-70%')
    for (const name of Object.values(suites).flat()) {
      const { title } = readWorkload(name)
      t.equal(readWorkload(title).title, title)
    }
  })
  t.test('which say what clients do', async (t) => {
    t.match(readWorkload('A'), { writeShare: 0.5, distribution: 'zipfian', writeType: 'write' })
    t.match(readWorkload('B'), { writeShare: 0.05 })
    t.match(readWorkload('C'), { writeShare: 0 })
    t.match(readWorkload('D'), { writeShare: 0.05, distribution: 'latest', writeType: 'insert' })
    t.match(readWorkload('F'), { writeShare: 0.5, writeType: 'read-modify-write' })
    t.match(readWorkload('get 100B 1-node disk open-60%'), {
      ...{ valueBytes: 100, nodeCount: 1, durability: 'disk', openShare: 0.6 },
    })
  })
  t.test('E scans, and is asked of no system that has no order', async (t) => {
    const workload = readWorkload('E')
    t.match(workload, { writeShare: 0.05, distribution: 'zipfian', writeType: 'insert', scanMax: 100 })
    const all = { systems: ['starling', 'floor'], clients: ['http', 'binary'] } as const
    t.ok(contestantsOf(all, workload).every(({ system }) => system === 'starling'))
    t.ok(contestantsOf(all, readWorkload('B')).some(({ system }) => system === 'floor'))
  })
  t.test('what means nothing is refused, with what would mean something', async (t) => {
    t.throws(() => readWorkload('toString'), /"toString" is no mix/)
    t.throws(() => readWorkload('put valueOf'), /"valueOf" in "put valueOf" means nothing/)
    t.throws(() => readWorkload('delete'), /"delete" is no mix; .*put, get/)
    t.throws(() => readWorkload('put 2KiB'), /"2KiB" in "put 2KiB" means nothing; .*100B, 1KiB, 16KiB/s)
    t.throws(() => readWorkload('put open-120%'), /1 to 100 %/)
    t.throws(() => readWorkload('get latest'), /only D and E insert/)
  })
})

t.test('a list of workloads', async (t) => {
  t.test('is put together by the servers it needs', async (t) => {
    const titles = readWorkloads(['put', 'put disk', 'get', 'get disk']).map(({ title }) => title)
    t.same(titles, ['put uniform', 'get uniform', 'put uniform disk', 'get uniform disk'])
  })
  t.test('has the closed loop before the open one, whose rate it gives', async (t) => {
    const titles = readWorkloads(['get open']).map(({ title }) => title)
    t.same(titles, ['get uniform', 'get uniform open-70%'])
    t.equal(readWorkloads(['put', 'put open', 'put']).length, 2)
  })
})

t.test('the run of the targets has all that they are about', async (t) => {
  const titles = readWorkloads(suites.targets).map(({ title }) => title)
  for (const { measure, name } of targets) {
    t.ok(titles.includes(measure.workload), name)
    if (measure.type === 'over-workload') t.ok(titles.includes(measure.over), name)
  }
})

t.test('options', async (t) => {
  t.test('wrong ones are refused with a remedy', async (t) => {
    t.throws(() => readOptions(['--fast']), /--fast/)
    t.throws(() => readOptions(['--rounds', '0']), /--rounds must be a number above 0/)
    t.throws(() => readOptions(['--rounds', '1.5']), /whole number/)
    t.throws(() => readOptions(['--systems', 'riak']), /--systems knows starling, floor, single; not "riak"/)
    t.throws(() => readOptions(['--clients', 'grpc']), /--clients knows http, embedded/)
    t.throws(() => readOptions(['--against', '/nowhere']), /npm run build there/)
    t.throws(() => readOptions(['--quick', '--targets']), /two runs/)
    t.throws(() => readOptions(['--targets', '--only', 'put']), /leave --only/)
    t.throws(() => readProfileOptions(['DELETE']), /profile takes PUT or GET/)
    t.throws(() => readProfileOptions(['PUT', '--client', 'http,embedded']), /--client is http or embedded/)
  })
  t.test('say what to run', async (t) => {
    t.equal(readOptions(['--help']), 'help')
    t.match(readOptions(['--quick']), { suite: 'quick', keyCount: 20_000, systems: ['starling', 'floor', 'single'] })
    t.match(readOptions(['--flags=--value-log on', '--against-flags=--value-log off']), {
      flags: ['--value-log', 'on'],
      againstFlags: ['--value-log', 'off'],
      systems: ['starling', 'against'],
    })
    t.match(readProfileOptions(['GET', '--client', 'embedded']), { clients: ['binary'], systems: ['starling'] })
  })
})

t.test('larger values are fewer, so that they are as many bytes', async (t) => {
  t.equal(keysOf(100_000, 100), 100_000)
  t.equal(keysOf(100_000, 1024), 100_000)
  t.equal(keysOf(100_000, 16 * 1024), 6250)
  t.equal(keysOf(2000, 16 * 1024), 1000, 'but not so few that clients wait for each other')
  t.equal(keysOf(500, 16 * 1024), 500)
})

t.test('who owns a key of the floor', async (t) => {
  t.same(otherOwners(0, 0, 3), [1, 2], 'up to three nodes everybody, and the next one is asked first')
  t.same(otherOwners(2, 0, 3), [0, 1])
  t.same(otherOwners(0, 0, 1), [])
  t.same(otherOwners(4, 3, 5), [0, 3])
  t.equal(otherOwners(2, 3, 5), undefined, 'one that has to hand it on')
  const counts = new Array<number>(5).fill(0)
  for (let key = 0; key < 10_000; key += 1) {
    const first = firstOwner(`key-${key}`, 5)
    counts[first] = (counts[first] as number) + 1
  }
  t.ok(
    counts.every((count) => count > 1700 && count < 2300),
    `keys are spread evenly: ${counts.join(', ')}`,
  )
})
