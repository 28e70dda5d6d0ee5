import t, { type Test } from 'tap'
import { Flags, prepareFlags, setFlag } from '../../examples/feature-flags/flags.ts'
import { text } from '../../lib/index.ts'
import { simulateCluster } from '../../lib/testing.ts'
import { tellsItsReadme } from './fixtures/story.ts'

// A machine that is busy takes its time.
t.setTimeout(120_000)

const defaults = { a: false, b: true }

t.test('the story of the README is what the program prints', async (t) => {
  await tellsItsReadme(t, 'feature-flags')
})

t.test('defaults hold until somebody could be asked, the last answers while nobody can', async (t) => {
  const { cluster, operator, flags, problems } = await cluster3(t)
  t.same([flags.isOn('a'), flags.isOn('b'), flags.askedAtMs], [false, true, undefined])
  await setFlag(operator, 'a', { on: true })
  await flags.refresh()
  t.same([flags.isOn('a'), flags.isOn('b'), problems.length], [true, true, 0])
  t.ok(flags.askedAtMs !== undefined)
  for (const node of cluster.names) await cluster.crash(node)
  await flags.refresh()
  t.equal(problems.length, 1, 'told once a round')
  t.same([flags.isOn('a'), flags.isOn('b')], [true, true])
})

t.test('a flag that cannot be read keeps none of the others', async (t) => {
  const { operator, flags, problems } = await cluster3(t)
  await operator.bucket('flags', { codec: text }).put('a', 'not JSON')
  await setFlag(operator, 'b', { on: false })
  await flags.refresh()
  t.same([flags.isOn('a'), flags.isOn('b')], [false, false])
  t.match(problems, [{ code: 'invalid-body' }])
})

t.test('two people who set a flag at once leave one value', async (t) => {
  const { cluster, operator, flags } = await cluster3(t)
  await Promise.all([
    setFlag(operator, 'a', { on: true, percent: 10 }),
    setFlag(cluster.database('cyd'), 'a', { on: true, percent: 90 }),
  ])
  await cluster.settle()
  t.equal((await operator.bucket('flags').get('a'))?.siblings.length, 1)
  await flags.refresh()
})

t.test('a share of the users has a flag, always the same ones, and others for each flag', async (t) => {
  const { operator, flags } = await cluster3(t)
  const users = Array.from({ length: 2_000 }, (_, number) => `user-${number}`)
  const having = async (percent: number): Promise<ReadonlySet<string>> => {
    await Promise.all(['a', 'b'].map((name) => setFlag(operator, name, { on: true, percent })))
    await flags.refresh()
    return new Set(users.filter((user) => flags.isOn('a', user)))
  }
  t.equal((await having(0)).size, 0)
  const few = await having(20)
  const both = [...few].filter((user) => flags.isOn('b', user))
  const more = await having(60)
  t.ok(Math.abs(few.size - 400) < 80, `${few.size}`)
  t.ok(Math.abs(both.length - 80) < 40, `${both.length} have both`)
  t.ok(
    [...few].every((user) => more.has(user)),
    'nobody loses it when others get it',
  )
  t.equal((await having(100)).size, users.length)
})

t.test('started, it asks by itself until it is stopped', async (t) => {
  const { operator, cluster } = await cluster3(t)
  const heard: string[] = []
  const changed = new Promise<void>((resolve) => {
    const flags = new Flags(cluster.database('bob'), {
      defaults,
      everyMs: 5,
      onChange: (name) => {
        heard.push(name)
        flags.stop()
        resolve()
      },
    })
    flags.start()
  })
  const alive = setInterval(() => {}, 1_000) // The flags themselves keep no process alive.
  await setFlag(operator, 'b', { on: false })
  await changed
  clearInterval(alive)
  t.same(heard, ['b'])
})

async function cluster3(t: Test) {
  const cluster = await simulateCluster({ nodes: 3, seed: 4 })
  t.teardown(() => cluster.close())
  const operator = cluster.database('ada')
  await prepareFlags(operator)
  await cluster.run(5_000)
  const problems: unknown[] = []
  const flags = new Flags(cluster.database('bob', { deadlineMs: 1_000 }), {
    defaults,
    onProblem: (problem) => problems.push(problem),
  })
  return { cluster, operator, flags, problems }
}
