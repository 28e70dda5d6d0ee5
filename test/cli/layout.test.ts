import t, { type Test } from 'tap'
import type { FakeNode } from '../http-client/fixtures/fake-node.ts'
import { json, spawnStarling, starling, started, text } from './fixtures/run-starling.ts'

const ada = { id: 'a'.repeat(32), name: 'ada' }
const bob = { id: 'b'.repeat(32), name: 'bob' }
const dan = { id: 'd'.repeat(32), name: 'dan' }
const hash = '0123456789abcdef'

t.test('staging changes nothing, and shows what the plan would now do', async (t) => {
  const { at, node } = await cluster(t)
  const ran = await starling(['cluster', 'join', 'dan', ...at])
  t.same(ordersOf(node), [['/v1/cluster/stage', { action: 'join', node: 'dan' }]])
  t.match(text(ran), /^staged: dan joins\nplan 0123456789abcdef makes layout 2\n {2}dan joins\n/)
  t.match(text(ran), / {2}683 partitions change owners; 768 copies are made, about 96\.0 MiB, in about 12 s\n$/)
  t.match(ran, { code: 0, stderr: /nothing has changed yet.*commit --plan 0123456789abcdef\n$/ })

  await t.test('for each action as the node wants to hear it', async (t) => {
    const orders: readonly [readonly string[], object][] = [
      [['leave', 'bob'], { action: 'leave', node: 'bob' }],
      [['replace', 'bob', 'dan', '--force'], { action: 'replace', node: 'bob', with: 'dan', force: true }],
      [['exclude', 'bob'], { action: 'exclude', node: 'bob' }],
      [['set', 'bob', '--zone', 'z2', '--weight', '3'], { action: 'set', node: 'bob', zone: 'z2', weight: 3 }],
      [['join', 'dan', '--weight', '2'], { action: 'join', node: 'dan', weight: 2 }],
      [['clear'], { action: 'clear', node: '' }],
      [['clear', 'bob'], { action: 'clear', node: 'bob' }],
    ]
    node.seen.length = 0
    const ran = await Promise.all(orders.map(([words]) => starling(['cluster', ...words, ...at])))
    for (const [index, { code }] of ran.entries()) t.equal(code, 0, String(orders[index]?.[0]))
    const asText = (body: unknown) => JSON.stringify(body)
    t.same(
      ordersOf(node)
        .map(([, body]) => asText(body))
        .sort(),
      orders.map(([, body]) => asText(body)).sort(),
    )
  })

  await t.test('for several nodes, or for none of them', async (t) => {
    node.seen.length = 0
    t.match(await starling(['cluster', 'leave', 'ada', 'bbb', ...at]), { code: 0 })
    t.same(
      ordersOf(node).map(([, body]) => body),
      [
        { action: 'leave', node: 'ada' },
        { action: 'leave', node: 'bbb' },
      ],
    )
    node.seen.length = 0
    t.match(await starling(['cluster', 'leave', 'ada', 'eve', ...at]), { code: 5, stderr: /no member is called "eve"/ })
    t.same(ordersOf(node), [])
  })

  await t.test('as JSON, with the plan but not its long lists', async (t) => {
    const found = json(await starling(['cluster', 'join', 'dan', '--json', ...at])) as { plan: object }
    t.match(found, { kind: 'Staged', staged: [{ name: 'dan', action: 'join' }], plan: { plan: hash, partitions: 683 } })
    t.notOk('moves' in found.plan)
  })

  await t.test('rehearsed, only says which nodes are meant', async (t) => {
    node.seen.length = 0
    const dry = await starling(['cluster', 'replace', 'bo', 'dan', '--dry-run', ...at])
    t.match(dry, { code: 0, stderr: 'nothing was staged\n' })
    t.equal(text(dry), 'would stage: replace bob by dan\n')
    t.same(ordersOf(node), [])
  })

  await t.test('refuses what cannot be meant', async (t) => {
    const slips = [['set', 'bob'], ['set', 'bob', '--weight', '0'], ['join'], ['leave', ''], ['clear', '']]
    const ran = await Promise.all(slips.map((words) => starling(['cluster', ...words, ...at])))
    t.same(
      ran.map(({ code }) => code),
      slips.map(() => 2),
    )
  })
})

t.test('the plan can be read before it happens', async (t) => {
  const { at, node } = await cluster(t)
  const [table, asJson] = await Promise.all([
    starling(['cluster', 'plan', ...at]),
    starling(['cluster', 'plan', '--json', ...at]),
  ])
  t.match(
    text(table),
    /\nNODE +BEFORE +AFTER +PARTITIONS BEFORE +AFTER +CHANGE\nada +50\.0 % +25\.0 % +1,024 +768 +-256\n/,
  )
  t.match(text(table), /\ndan +0\.0 % +25\.0 % +0 +768 +\+768\n/)
  t.match(text(table), /\nthe fullest node then holds 1\.010 x its target\nCHECK +RESULT +DETAIL\nmembers +ok +all 3 /)
  t.equal(table.code, 0)
  t.match(json(asJson), { kind: 'Plan', plan: hash, moves: [{ partition: 0, from: [bob.id], to: [dan.id], bytes: 7 }] })
  t.equal(asJson.code, 0)

  await t.test('and one that is refused says why', async (t) => {
    setPlan(node, refused)
    const ran = await starling(['cluster', 'plan', ...at])
    t.match(text(ran), /^the plan for layout 2 is refused\n {2}dan joins\n! bob: not alive; start it\n/)
    t.match(text(ran), /\nmembers +refused +bob: not alive/)
    t.equal(ran.code, 4)
  })

  await t.test('and where nothing is staged, it says that', async (t) => {
    setPlan(node, { ...refused, staged: [], changes: [], checks: [nothingStaged] })
    const ran = await starling(['cluster', 'plan', ...at])
    t.equal(text(ran), 'nothing is staged\n')
    t.equal(ran.code, 0)
  })
})

t.test('commit', async (t) => {
  await t.test('does what was shown, when it is told to', async (t) => {
    const { at, node } = await cluster(t)
    const unsure = await starling(['cluster', 'commit', ...at])
    t.match(unsure, { code: 4, stderr: /plan 0123456789abcdef makes layout 2[\s\S]*put to the members[\s\S]*--yes/ })
    t.match(await starling(['cluster', 'commit', '--dry-run', ...at]), { code: 0, stderr: /nothing was done\n$/ })
    t.same(ordersOf(node), [], 'nothing was done')
    const sure = await starling(['cluster', 'commit', '--yes', '--json', ...at])
    t.match(json(sure), { kind: 'Commit', decided: true, number: 2, plan: hash, settled: null })
    t.same(ordersOf(node), [['/v1/cluster/commit', { plan: hash }]], 'that plan and no other')
    t.equal(node.seen.at(-1)?.query.get('timeout'), '10000')
  })

  await t.test('needs no question for a plan that was seen, unless it is forced', async (t) => {
    const { at, node } = await cluster(t)
    const seen = await starling(['cluster', 'commit', '--plan', hash, ...at])
    t.match(seen, { code: 0, stderr: /layout 2 is decided/ })
    const forced = await starling(['cluster', 'commit', '--plan', hash, '--force', ...at])
    t.match(forced, { code: 4, stderr: /without a majority: two clusters may result/ })
    t.equal((await starling(['cluster', 'commit', '--plan', hash, '--force', '--yes', ...at])).code, 0)
    t.same(
      ordersOf(node).map(([, body]) => body),
      [{ plan: hash }, { plan: hash, force: true }],
    )
  })

  await t.test('of another plan than the current one is a conflict', async (t) => {
    const { at, node } = await cluster(t)
    node.answers.set('/v1/cluster/commit', problem(409, 'stale-plan'))
    const ran = await starling(['cluster', 'commit', '--plan', 'feed', ...at])
    t.match(ran, { code: 6, stderr: /the detail of stale-plan/ })
    t.notMatch(ran.stderr, /makes layout/, 'what was not meant is not shown')
    t.match(await starling(['cluster', 'commit', '--plan', 'feed', '--dry-run', ...at]), { code: 6 })
  })

  await t.test('that is refused says why', async (t) => {
    const { at, node } = await cluster(t)
    setPlan(node, refused)
    node.answers.set('/v1/cluster/commit', problem(409, 'plan-refused', { checks: refused.checks }))
    const ran = await starling(['cluster', 'commit', ...at])
    t.match(ran, { code: 4, stderr: /^starling: the detail of plan-refused\n! bob: not alive; start it\n/ })
    const asJson = await starling(['cluster', 'commit', '--json', ...at])
    t.match(JSON.parse(asJson.stderr), { kind: 'Error', code: 'plan-refused', checks: refused.checks, exitCode: 4 })
  })

  await t.test('that is not decided in time says who is waited for', async (t) => {
    const { at, node } = await cluster(t)
    node.answers.set('/v1/cluster/commit', { status: 202, body: { decided: false, waitingFor: ['bob'] } })
    const [ran, asJson] = await Promise.all([
      starling(['cluster', 'commit', '--yes', '--wait', ...at]),
      starling(['cluster', 'commit', '--yes', '--json', ...at]),
    ])
    t.match(ran, { code: 7, stderr: /not decided yet: waits for bob/ })
    t.match(json(asJson), { kind: 'Commit', decided: false, waitingFor: ['bob'] })
    t.equal(asJson.code, 7)
  })

  await t.test('with --wait returns when nothing moves any more', async (t) => {
    const { at, node } = await cluster(t)
    const steps = [
      { stage: 'acknowledging', waitingFor: [bob], partitionsLeft: 0 },
      { stage: 'copying', waitingFor: [bob], partitionsLeft: 40 },
      { stage: 'copying', waitingFor: [bob], partitionsLeft: 10 },
      { stage: 'switching', waitingFor: [bob], partitionsLeft: 0 },
      { stage: undefined, waitingFor: [], partitionsLeft: 3 },
      { stage: undefined, waitingFor: [], partitionsLeft: 0 },
    ]
    let looks = 0
    let refusals = 1
    node.trouble = ({ path }) => {
      if (path !== '/v1/cluster/status' || ordersOf(node).length === 0) return undefined
      if (refusals-- > 0) return 'refuse'
      // Each look asks twice: for the layout, and for the nodes to ask.
      const step = steps[Math.min(steps.length - 1, Math.floor(looks++ / 2))] as (typeof steps)[0]
      setMovement(node, step)
      return undefined
    }
    const ran = await starling(['cluster', 'commit', '--yes', '--wait', ...at])
    t.equal(ran.code, 0)
    const said = ran.stderr.slice(ran.stderr.indexOf('layout 2 is decided')).split('\n')
    t.match(said, [
      'layout 2 is decided',
      /0 % {2}layout 2: every member learns of it/,
      /0 % {2}layout 2: the new owners get .* {2}40 partitions, 40\.0 MiB left {2}4\.0 MiB\/s {2}ETA 0:10/,
      /75 % .* 10 partitions, 10\.0 MiB left/,
      /100 % {2}layout 2: reads move to the new owners/,
      /layout 2: copying/,
      'nothing moves any more',
      '',
    ])
  })

  await t.test('with --wait asks others when the node that was asked is the one that leaves', async (t) => {
    const { at, node } = await cluster(t)
    const other = await started(t)
    const danAt = new URL(other.url).host
    for (const [path, answer] of node.answers) other.answers.set(path, answer)
    setMovement(node, { stage: 'switching', waitingFor: [], partitionsLeft: 0 }, 'alive', {}, danAt)
    let looks = 0
    node.trouble = ({ path }) => {
      // The layout, then the nodes to ask; and then it is gone.
      if (path === '/v1/cluster/status') looks += 1
      return looks > 2 ? 'reset' : undefined
    }
    t.match(await starling(['cluster', 'commit', '--yes', '--wait', '20', ...at]), { code: 0, stderr: /nothing moves/ })
    t.ok(other.seen.some(({ path }) => path === '/v1/cluster/status'))
  })

  await t.test('with --wait SECONDS gives up, and says for whom the cluster waits', async (t) => {
    const { at, node } = await cluster(t, 'dead')
    node.trouble = ({ path }) => {
      if (path === '/v1/cluster/status')
        setMovement(node, { stage: 'copying', waitingFor: [bob], partitionsLeft: 4 }, 'dead')
      return undefined
    }
    const ran = await starling(['cluster', 'commit', '--yes', '--wait', '1', ...at])
    t.match(ran, {
      code: 7,
      stderr: /! bob is dead and waited for: start it, or starling cluster exclude bob, then commit/,
    })
    t.match(ran.stderr, /data still moves/)
  })
})

t.test('abort and forget ask first', async (t) => {
  const { at, node } = await cluster(t)
  setMovement(node, { stage: 'copying', waitingFor: [bob], partitionsLeft: 4 })
  for (const words of [['abort'], ['forget', 'bob']]) {
    const [path] = words
    node.answers.set(`/v1/cluster/${path}`, { status: 200, body: { decided: true, number: 3, plan: hash } })
    t.match(await starling(['cluster', ...words, ...at]), { code: 4, stderr: /--yes/ }, String(path))
    t.match(await starling(['cluster', ...words, '--dry-run', ...at]), { code: 0, stderr: /nothing was done/ })
    t.same(ordersOf(node), [])
    t.match(await starling(['cluster', ...words, '--yes', ...at]), { code: 0, stderr: /layout 3 is decided/ })
    t.same(ordersOf(node), [[`/v1/cluster/${path}`, path === 'forget' ? { node: 'bob' } : {}]])
    node.seen.length = 0
  }
  t.match(await starling(['cluster', 'abort', '--dry-run', ...at]), {
    stderr: /from layout 1 to 2 would be taken back/,
  })
})

t.test('node drain returns when nothing is in flight', async (t) => {
  const { at, node } = await cluster(t)
  let inFlight = 3
  node.trouble = ({ path }) => {
    if (path === '/v1/node/drain') node.answers.set(path, { status: 200, body: { inFlight: --inFlight } })
    return undefined
  }
  t.match(await starling(['node', 'drain', '--dry-run', ...at]), { code: 0, stderr: /nothing was done/ })
  t.equal(inFlight, 3)
  t.match(await starling(['node', 'drain', ...at]), { code: 0, stderr: /ada is drained: it can be stopped/ })
  t.equal(inFlight, 0)
  inFlight = 1_000
  const partial = await starling(['node', 'drain', '--wait', '0', '--json', ...at])
  t.match(json(partial), { kind: 'Drain', name: 'ada', inFlight: 999 })
  t.equal(partial.code, 7)
})

t.test('cluster status tells of a change that is running, and who is out of it', async (t) => {
  const { at, node } = await cluster(t)
  setMovement(node, { stage: 'copying', waitingFor: [bob], partitionsLeft: 4 }, 'dead', {
    staged: [{ ...dan, node: dan.id, action: 'set', zone: 'z9', weight: null, force: false, setAtMs: 0 }],
    excluded: [bob],
    awaited: [bob],
  })
  const [ran, check] = await Promise.all([
    starling(['cluster', 'status', ...at]),
    starling(['cluster', 'status', '--check', '--json', ...at]),
  ])
  t.match(text(ran), /^cluster starling, layout 2 \(live: 1, 2\), not converged\n[^\n]* OWNS AFTER\nada .* 25\.0 %\n/)
  t.match(text(ran), /\nstaged: dan gets zone z9\n! the owners change from layout 1 to 2 \(copying\); waits for bob\n/)
  t.match(text(ran), /\n! bob is dead and excluded: [^\n]*\n! bob is awaited: [^\n]*starling cluster forget bob\n$/)
  t.match(json(check), { transition: { stage: 'copying' }, excluded: [{ name: 'bob' }], healthy: false })
  t.equal(check.code, 8)
})

t.test('transfers --watch shows how far the data has come', async (t) => {
  const { at, node } = await cluster(t)
  setMovement(node, { stage: 'copying', waitingFor: [], partitionsLeft: 8 })
  t.notMatch(text(await starling(['transfers', ...at])), /%/, 'one look knows of no progress')
  const bars = await watched(node, at, 2, [8, 2])
  t.match(bars, [
    /^\[ {24}\] 0 % {2}8 partitions, 8\.0 MiB left {2}4\.0 MiB\/s {2}ETA 0:02$/,
    /^\[={18} {6}\] 75 % {2}2 partitions, 2\.0 MiB left/,
  ])
})

/** The lines with a bar, of so many looks. */
async function watched(
  node: FakeNode,
  at: readonly string[],
  looks: number,
  left: readonly number[],
): Promise<readonly string[]> {
  let look = 0
  node.trouble = ({ path }) => {
    if (path === '/v1/cluster/transfers') {
      setMovement(node, {
        stage: 'copying',
        waitingFor: [],
        partitionsLeft: left[Math.min(look++, left.length - 1)] ?? 0,
      })
    }
    return undefined
  }
  const child = spawnStarling(['transfers', '--watch', ...at])
  let output = ''
  return new Promise((resolve) => {
    child.stdout?.on('data', (part: Buffer) => {
      output += part.toString()
      const bars = output.split('\n').filter((line) => line.startsWith('['))
      if (bars.length < looks || !output.endsWith('\n')) return
      child.kill('SIGTERM')
      resolve(bars)
    })
  })
}

const plan = {
  plan: hash,
  number: 2,
  amendment: false,
  staged: [
    { node: dan.id, name: 'dan', action: 'join', with: null, zone: null, weight: null, force: false, setAtMs: 0 },
  ],
  changes: ['dan joins'],
  shares: [
    { node: ada.id, name: 'ada', before: 0.5, after: 0.25, partitionsBefore: 1024, partitionsAfter: 768 },
    { node: dan.id, name: 'dan', before: 0, after: 0.25, partitionsBefore: 0, partitionsAfter: 768 },
  ],
  moves: Array.from({ length: 768 }, (_, partition) => ({ partition, from: [bob.id], to: [dan.id], bytes: 7 })),
  partitions: 683,
  bytes: 96 * 1024 * 1024,
  estimateSeconds: 12,
  maxToTarget: 1.01,
  checks: [{ name: 'members', ok: true, detail: 'all 3 members are alive or excluded' }],
}

const refused = {
  ...plan,
  plan: null,
  shares: [],
  moves: [],
  checks: [{ name: 'members', ok: false, detail: 'bob: not alive; start it' }],
}

const nothingStaged = { name: 'staged', ok: false, detail: 'nothing is staged: see `starling cluster join`' }

/** One node that answers for a cluster of three. */
async function cluster(t: Test, bobIs = 'alive') {
  const node = await started(t)
  node.answers.set('/v1/node', { status: 200, body: { ...ada } })
  node.answers.set('/v1/cluster/stage', { status: 200, body: { staged: plan.staged } })
  node.answers.set('/v1/cluster/commit', { status: 200, body: { decided: true, number: 2, plan: hash } })
  node.answers.set('/v1/node/drain', { status: 200, body: { inFlight: 0 } })
  setPlan(node, plan)
  setMovement(node, { stage: undefined, waitingFor: [], partitionsLeft: 0 }, bobIs)
  return { node, at: ['--endpoint', node.url] }
}

function setPlan(node: FakeNode, body: object): void {
  node.answers.set('/v1/cluster/plan', { status: 200, body })
}

/** What the node tells while data moves; bob and dan serve no HTTP. */
function setMovement(
  node: FakeNode,
  movement: {
    readonly stage: string | undefined
    readonly waitingFor: readonly object[]
    readonly partitionsLeft: number
  },
  bobIs = 'alive',
  more: object = {},
  danAt: string | null = null,
): void {
  const { stage, waitingFor, partitionsLeft } = movement
  const common = { peer: '127.0.0.1:7071', zone: 'z', weight: 1, version: '0.1.0', owns: 0.5, ownsAfter: 0.25 }
  const members = [
    { ...ada, ...common, state: 'alive', http: '127.0.0.1:9' },
    { ...bob, ...common, state: bobIs, http: null },
    { ...dan, ...common, state: 'alive', http: danAt },
  ]
  const isMoving = stage !== undefined
  const transition = isMoving ? { from: 1, to: 2, stage, waitingFor } : null
  const layout = { number: 2, live: isMoving ? [1, 2] : [2], hash: 'ff' }
  const body = { cluster: 'starling', converged: !isMoving, layout, transition, members, ...more }
  node.answers.set('/v1/cluster/status', { status: 200, body })
  const bytesLeft = partitionsLeft * 1024 * 1024
  const rate = { bytesPerSecond: 4 * 1024 * 1024, etaSeconds: bytesLeft / 4 / 1024 / 1024 }
  const transfer = { kind: 'partitions', peer: bob.id, name: 'bob', partitionsLeft, keysLeft: null, bytesLeft, ...rate }
  const transfers = partitionsLeft === 0 ? [] : [transfer]
  node.answers.set('/v1/cluster/transfers', { status: 200, body: { transfers } })
}

function problem(status: number, code: string, more: object = {}) {
  return { status, body: { code, title: code, detail: `the detail of ${code}`, aftermath: 'nothing-changed', ...more } }
}

/** What the node was told to do, with the bodies. */
function ordersOf(node: FakeNode): readonly (readonly [path: string, body: unknown])[] {
  return node.seen.filter(({ method }) => method === 'POST').map(({ path, body }) => [path, JSON.parse(body ?? 'null')])
}
