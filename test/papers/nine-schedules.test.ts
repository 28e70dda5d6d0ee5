import t from 'tap'
import type { ReadRepairMode } from '../../lib/protocol/quorum/read.ts'
import type { Ended } from '../node/fixtures/test-cluster.ts'
import { Schedule } from '../simulation/schedule.ts'
import { key, Story } from './one-key-story.ts'

// How a register is broken although R + W > N: nine ways, each with its schedule. Where a mode promises that it does not
// happen, it does not; where a mode does not promise it, it is shown (docs/guarantees.md).

const three = ['ada', 'bob', 'cyd']
const maybe = { code: 'deadline-exceeded', aftermath: 'may-have-changed' }

t.test(
  '1. new-old inversion: a write reached one of three owners, one read meets it and the next does not',
  async (t) => {
    const story = (readRepair: ReadRepairMode): Story => {
      const story = new Story(three, readRepair)
      story.write('ada', 'old', { w: 3 })
      story.among('ada')
      t.match(story.write('ada', 'new'), maybe, 'reached ada alone')
      story.among('ada', 'bob')
      t.same(story.read('bob'), ['new'])
      story.among('bob', 'cyd')
      return story
    }

    await t.test('with blocking repair the first read has brought it to enough owners', async (t) => {
      const blocking = story('blocking')
      t.same(blocking.read('cyd'), ['new'])
      t.same(blocking.broken('atomic'), [])
    })

    await t.test('without repair the second read shows the old value: regular, and not atomic', async (t) => {
      const off = story('off')
      t.same(off.read('cyd'), ['old'])
      t.same(off.broken('regular'), [])
      t.not(off.broken('atomic').length, 0)
    })
  },
)

t.test('2. a write that failed flickers: seen, not seen, and seen when it is handed over at last', async (t) => {
  const story = (readRepair: ReadRepairMode): { readonly story: Story; readonly then: readonly string[] } => {
    const story = new Story(three, readRepair, { hints: true })
    story.write('ada', 'old', { w: 3 })
    story.among('ada')
    t.match(story.write('ada', 'new'), maybe)
    // Its hints are on their way, and do not arrive yet.
    story.gate.close('bob', 'merge-records')
    story.gate.close('cyd', 'merge-records')
    story.among('ada', 'bob')
    t.same(story.read('bob'), ['new'])
    story.among('bob', 'cyd')
    const then = story.read('cyd')
    story.heal()
    story.gate.open(story.cluster, 'bob')
    story.gate.open(story.cluster, 'cyd')
    story.cluster.await('the hints are delivered', () => story.cluster.node('ada').hints().hints.length === 0, 90_000)
    story.among('bob', 'cyd')
    t.same(story.read('cyd'), ['new'])
    return { story, then }
  }

  await t.test('with blocking repair what was seen once stays seen', async (t) => {
    const { story: blocking, then } = story('blocking')
    t.same(then, ['new'])
    t.same(blocking.broken('atomic'), [])
  })

  await t.test('without, it flickers; its client was told that it may have been made, so it is regular', async (t) => {
    const { story: off, then } = story('off')
    t.same(then, ['old'])
    t.same(off.broken('regular'), [])
    t.not(off.broken('atomic').length, 0)
  })
})

t.test('3. sloppy quorums: W stand in on one side, R owners answer on the other', async (t) => {
  const story = (sloppy: boolean): { readonly written: Ended; readonly story: Story; readonly others: string[] } => {
    const five = [...three, 'dan', 'eve']
    const story = new Story(five, 'blocking', { hints: true })
    const [owner = '', ...others] = story.cluster.ownersOf(key)
    story.write(owner, 'old', { w: 3 })
    // Until everybody knows who is out of reach.
    story.among(owner, ...five.filter((name) => !others.includes(name) && name !== owner))
    story.cluster.world.run(60_000)
    const written = story.write(owner, 'new', { w: 2, sloppy })
    story.cut(...others)
    return { written, story, others: [...others] }
  }

  await t.test('with sloppy=false the write is refused', async (t) => {
    const { written, story: strict, others } = story(false)
    t.match(written, { code: 'quorum-unavailable', aftermath: 'nothing-changed' })
    t.same(strict.read(others[0] as string), ['old'])
    t.same(strict.broken('atomic'), [])
  })

  await t.test(
    'with sloppy=true it is acknowledged, and a read of two owners misses it: no register at all',
    async (t) => {
      const { written, story: sloppy, others } = story(true)
      t.match(written, { code: 'ok', quorum: 'w=2/2' })
      t.same(sloppy.read(others[0] as string), ['old'])
      t.not(sloppy.broken('regular').length, 0)
    },
  )
})

t.test('4. a change of owners: an old quorum and a new one need not meet', async (t) => {
  // What becomes of it without rule T1: F3 in test/simulation/transition-failures.test.ts.
  const cluster = Schedule.begun(undefined, ['ada', 'bob', 'cyd', 'eve'])
  const moved = cluster.keyWhere((owners) => three.every((name) => owners.includes(name)))
  for (const name of ['ada', 'bob', 'cyd', 'eve']) cluster.gate.close(name, 'handed-over')
  cluster.change('eve', { action: 'replace', node: 'cyd', with: 'dan', force: true })
  cluster.await('dan takes writes', () =>
    ['ada', 'bob', 'cyd', 'dan', 'eve'].every((name) => cluster.node(name).status().transition?.stage === 'copying'),
  )
  // Two of the old owners could take the write: ada and cyd. Of the new ones bob and dan could be read.
  cluster.gate.close('bob', 'write-record')
  cluster.gate.close('dan', 'write-record')
  const short = cluster.put('ada', moved, 'short', { w: 2, sloppy: false, timeoutMs: 2000 })
  t.match(short, maybe, 'a quorum of the old owners alone acknowledges nothing')
  cluster.gate.reopen(cluster, 'dan', 'write-record')
  const written = cluster.put('ada', moved, 'new', { w: 2, sloppy: false, timeoutMs: 2000 })
  t.match(written, { code: 'ok' }, 'with dan it is one of both')
  for (const name of ['ada', 'bob', 'cyd', 'eve']) cluster.gate.reopen(cluster, name, 'handed-over')
  cluster.await('the change is over', () => cluster.live('bob').length === 1 && cluster.live('dan').length === 1)
  for (const name of ['ada', 'cyd']) cluster.isolate(name)
  const read = cluster.get('bob', moved, { r: 2, sloppy: false })
  t.ok(read.values?.includes('new'), `bob and dan show ${read.values}`)
})

t.test('5. amnesia: an owner whose disk is gone comes back and votes', async (t) => {
  const story = new Story(three, 'blocking')
  story.among('ada', 'bob')
  t.match(story.write('ada', 'v'), { code: 'ok' }, 'ada and bob have it, cyd does not')
  story.heal()
  // Bob gets nothing back yet.
  story.gate.close('bob', 'partition-records')
  story.cluster.world.crash('bob', 'kill')
  story.cluster.world.machine('bob').disk.wipe()
  story.cluster.start('bob')
  story.cluster.await('bob serves', () => story.cluster.node('bob').self().recoveringPartitions > 0)
  story.cut('ada')
  const read = story.cluster.get('cyd', key, { r: 2, sloppy: false, timeoutMs: 1000 })
  t.not(read.code, 'ok', 'in no mode does what bob has forgotten count: cyd does not say that there is nothing')
  story.gate.open(story.cluster, 'bob')
  story.heal()
  t.same(story.read('cyd'), ['v'])
  t.same(story.broken('atomic'), [])
})

t.test('6. an acknowledgement before the disk has it, and a power cut of all who gave one', async (t) => {
  const survives = (durability: 'os' | 'disk', seed: number): boolean => {
    const story = new Story(three, 'blocking', {}, seed)
    story.among('ada', 'bob')
    t.match(story.write('ada', 'v', { durability }), { code: 'ok' })
    for (const name of ['ada', 'bob']) story.cluster.world.crash(name, 'power')
    for (const name of ['ada', 'bob']) story.cluster.start(name)
    story.heal()
    return story.read('cyd', 3)[0] === 'v'
  }
  const seeds = [1, 2, 3, 4, 5, 6]
  t.ok(
    seeds.every((seed) => survives('disk', seed)),
    'with durability: disk it is there',
  )
  t.ok(
    seeds.some((seed) => !survives('os', seed)),
    'with durability: os it may be gone',
  )
})

t.test('7. last write wins, and clocks that differ: a later write has the earlier clock', async (t) => {
  const story = (conflict: 'lww' | 'siblings'): { readonly story: Story; readonly context: string | undefined } => {
    const story = new Story(three, 'blocking')
    story.cluster.setProperties('ada', { conflict })
    story.cluster.world.run(5000)
    story.cluster.world.machine('ada').clock.wallOffsetMs = 3000
    story.among('ada', 'cyd')
    const { context } = story.write('ada', 'first')
    // Bob has met neither the first nor its clock, which goes with every message.
    story.cut('ada')
    story.connect('bob', 'cyd')
    return { story, context }
  }

  await t.test('so a write that has read nothing vanishes, though it began when the first was done', async (t) => {
    const { story: lww } = story('lww')
    t.match(lww.write('bob', 'second', { context: undefined }), { code: 'ok' })
    t.same(lww.read('bob'), ['first'])
    t.same(lww.broken('regular'), ['stale-value'])
  })

  await t.test('not one that says what it has seen', async (t) => {
    const { story: lww, context } = story('lww')
    t.match(lww.write('bob', 'second', { context }), { code: 'ok' })
    t.same(lww.read('bob'), ['second'])
    t.same(lww.broken('atomic'), [])
  })

  await t.test('and siblings ask no clock: both are there', async (t) => {
    const { story: siblings } = story('siblings')
    siblings.write('bob', 'second', { context: undefined })
    t.same(siblings.read('bob'), ['first', 'second'])
  })
})

t.test('8. "not found", said before R owners have answered', async (t) => {
  const story = new Story(three, 'blocking')
  story.among('ada')
  t.match(story.write('ada', 'v', { w: 1 }), { code: 'ok' }, 'w=1: ada alone has it')
  story.heal()
  t.same(story.read('bob', 3), ['v'], 'two who have nothing are no answer for three: r + w > n holds')

  const small = new Story(three, 'blocking')
  small.among('ada')
  small.write('ada', 'v', { w: 1 })
  small.heal()
  small.among('bob', 'cyd')
  t.same(small.read('bob', 2), [], 'r=2 and w=1 are three, and promise nothing')
})

t.test('9. two writers at once, each through its own coordinator, none of whom asks what there is', async (t) => {
  for (const conflict of ['siblings', 'lww'] as const) {
    const story = new Story(three, 'blocking')
    const { cluster } = story
    cluster.setProperties('ada', { conflict })
    cluster.world.run(5000)
    const ended: (string | undefined)[] = []
    for (const name of ['ada', 'bob']) {
      cluster.begin(name, [cluster.putRequest(key, `by ${name}`, { w: 2, sloppy: false })], (_index, { code }) => {
        ended.push(code)
      })
    }
    cluster.await('both end', () => ended.length === 2)
    t.same(ended, ['ok', 'ok'])
    cluster.world.run(1000)
    const states = three.map((name) => cluster.replica(name, key).stateHash)
    t.equal(new Set(states).size, 1, `${conflict}: every owner has the same`)
    const pairs = [
      ['ada', 'bob'],
      ['bob', 'cyd'],
      ['cyd', 'ada'],
    ] as const
    const reads = pairs.map(([a, b]) => {
      story.among(a, b)
      const read = story.read(a)
      story.heal()
      return read.join(' and ')
    })
    const [first = ''] = reads
    t.same(reads, [first, first, first], 'whoever is asked shows the same')
    if (conflict === 'siblings')
      t.equal(first, 'by ada and by bob', 'no name of a version is used twice: both are there')
    else t.match(first, /^by (ada|bob)$/, 'one of them')
  }
})
