import { eventually, json } from '../node/fixtures/real-nodes.ts'
import type { Member } from './kit/cluster.ts'
import { bucket, pathOf } from './kit/http.ts'
import type { Lab } from './kit/lab.ts'
import type { Scenario } from './kit/scenario.ts'
import { Scene } from './kit/scene.ts'

const onlyItsOwn = 60
const pushedWithinMs = 120_000
const aloneWithinMs = 60_000
const excludedWithinMs = 30_000

export const excludeReturn: Scenario = {
  name: 'exclude-return',
  summary:
    'a dead node is excluded; on its return it serves nothing and gives the owners what only it held; dropped, it joins again under a new short id once it is staged',
  seconds: 3,
  keys: 2_000,
  run,
}

async function run(lab: Lab): Promise<void> {
  const { keys = 1_000, seconds, rate } = lab.options
  const scene = await Scene.begin(lab, { keys })
  const { cluster, load, operator, http } = scene
  await cluster.add(1)
  await scene.change('four nodes')
  load.period('before')
  load.start(Math.min(rate, 200))
  await load.runFor(seconds)
  await load.stop()
  const victim = lab.pick(cluster.members)
  const others = cluster.others(victim)

  // The others sleep while it starts anew: it has no connection to anybody, and what it acknowledges at w=1 only it has.
  const ring = await scene.ring()
  const onlyThere = Array.from({ length: onlyItsOwn * 20 }, (_, at) => `only/${at}`)
    .filter((key) => ring.ownersOfKey(key).includes(victim.name))
    .slice(0, onlyItsOwn)
  const shortBefore = await shortIdOf(scene, victim)
  for (const other of others) other.pause()
  await victim.kill()
  await victim.start()
  await eventually(
    'it serves alone',
    () => http.call(victim, 'PUT', `${pathOf('alone')}?w=1&timeout=2000`, { body: 'alone' }),
    ({ status }) => status === 204,
    aloneWithinMs,
  )
  let held = 0
  for (const key of onlyThere) {
    const history = scene.histories.of(key)
    const number = history.begin()
    const reply = await http.call(victim, 'PUT', `${pathOf(key)}?w=1&timeout=2000`, {
      headers: { 'content-type': 'text/plain' },
      body: history.value(number),
    })
    if (reply.status === 204) held += 1
    else lab.say(`${key}: ${reply.status} ${reply.text.slice(0, 200)}`)
    history.end(number, reply.status === 204 ? 'acknowledged' : 'unknown', reply.context)
  }
  await victim.kill()
  for (const other of others) other.resume()
  lab.mustHaveSeen('writes that only it holds', held, onlyItsOwn / 2)
  await cluster.seesAs(victim, ['dead'])
  await Promise.all(others.map((other) => other.ready()))
  let elsewhere = 0
  for (const key of onlyThere)
    for (const other of others) if (((await http.copy(other, key))?.values.length ?? 0) > 0) elsewhere += 1
  lab.claim('nobody else has them', elsewhere === 0, `${elsewhere} copies`)

  load.start(Math.min(rate, 200))
  const before = await scene.ring()
  await operator.do(['cluster', 'exclude', victim.name])
  const plan = await operator.do(['cluster', 'plan'])
  lab.claim('the plan warns', /exclu/i.test(plan.stdout), '')
  await operator.do(['cluster', 'commit', '--yes', '--wait', '120'])
  await load.runFor(seconds)

  await victim.start()
  await cluster.seesAs(victim, ['alive'])
  // First its store is checked: until then it says that.
  const readyz = await eventually(
    'it says that it is excluded',
    () => http.call(victim, 'GET', '/readyz'),
    ({ status, text }) => status === 200 || text.includes('excluded'),
    excludedWithinMs,
  )
  lab.claim('back, it is not ready and says why', readyz.status === 503, /"detail":"([^"]*)"/.exec(readyz.text)?.[1])
  const startedMs = performance.now()
  await eventually(
    'the owners have what only it held',
    async () => missing(scene, onlyThere),
    (left) => left.length === 0,
    pushedWithinMs,
  )
  lab.measure('until the owners had what only it held', (performance.now() - startedMs) / 1000, 's')
  lab.claim('the owners have what only it held', true, `${held} writes`)

  await scene.change('it is dropped', ['leave', victim.name])
  lab.claim('dropped, it runs on', victim.isRunning)
  await scene.change('it joins again', ['join', victim.name])
  const after = await scene.ring()
  lab.claim('it owns again', after.names.includes(victim.name), `${before.number} then ${after.number}`)
  await victim.ready()
  const shortAfter = await shortIdOf(scene, victim)
  lab.claim('its short id is a new one', shortAfter !== shortBefore, `${shortBefore}, then ${shortAfter}`)
  await load.stop()
  lab.claim('no request fails at any time', load.failed === 0, `${load.failed} of ${load.failed + load.answered}`)
  scene.claimReads()
  await scene.claimEverythingThere('at the end')
}

/** Keys of which some owner that runs lacks the value. */
async function missing(scene: Scene, keys: readonly string[]): Promise<readonly string[]> {
  const ring = await scene.ring()
  const missing: string[] = []
  for (const key of keys) {
    for (const name of ring.ownersOfKey(key)) {
      const owner = scene.cluster.running.find((member) => member.name === name)
      if (owner === undefined || !(await isReadyOwner(owner))) continue
      if (((await scene.http.copy(owner, key))?.values.length ?? 0) === 0) missing.push(key)
    }
  }
  return missing
}

function isReadyOwner(owner: { isReady(): Promise<boolean> }): Promise<boolean> {
  return owner.isReady()
}

/** By what it writes itself: the short id is a part of each dot. */
async function shortIdOf(scene: Scene, node: Member): Promise<number> {
  const owned = await scene.ring()
  for (let at = 0; ; at += 1) {
    const key = `short/${Math.floor(performance.now())}/${at}`
    if (!owned.ownersOfKey(key).includes(node.name)) continue
    const { status, text } = await scene.http.call(node, 'PUT', pathOf(key), { body: `${performance.now()}` })
    if (status !== 204) throw new Error(`${node.name} does not write ${key}: ${status} ${text}`)
    const explained = await json(node, `/v1/explain/${bucket}/${encodeURIComponent(key)}`)
    const owners = explained.owners as readonly { name: string; dots: readonly { shortId: number }[] }[]
    const dots = owners.find(({ name }) => name === node.name)?.dots ?? []
    return Math.max(...dots.map(({ shortId }) => shortId))
  }
}
