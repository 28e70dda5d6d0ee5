import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Member } from './kit/cluster.ts'
import type { Lab } from './kit/lab.ts'
import type { Ran } from './kit/operator.ts'
import type { Scenario } from './kit/scenario.ts'
import { Scene } from './kit/scene.ts'

const page = 'docs/operations.md'
const heading = '## A story'
const leftWithinMs = 120_000
const rateMax = 20

/** What the last run printed, for the page. */
let story: readonly string[] = []

export const operatorsStory: Scenario = {
  name: 'operators-story',
  summary:
    'the story of docs/operations.md: three nodes become five, one leaves, a killed one is replaced and forgotten, one is restarted, all under load and by the command line',
  seconds: 2,
  keys: 3_000,
  run,
  keep,
}

async function run(lab: Lab): Promise<void> {
  const { keys = 1_000, seconds, rate } = lab.options
  const scene = await Scene.begin(lab, { keys })
  const { cluster, load, operator } = scene
  const [first, leaver, victim] = cluster.members as [Member, Member, Member]
  const paragraphs: string[] = []
  story = paragraphs
  const tell = (sentence: string, ...shown: readonly Ran[]): void => {
    paragraphs.push(shown.length === 0 ? sentence : `${sentence}\n\n${blockOf(shown)}`)
  }
  load.period('story')
  load.start(Math.min(rate, rateMax))
  await load.runFor(seconds)

  tell(
    `Three nodes hold ${keys.toLocaleString('en-US')} keys of 1 KiB; clients read and write them all the while.`,
    await operator.do(['cluster', 'status']),
  )
  const newcomers = await cluster.add(2)
  const planned = await operator.do(['cluster', 'plan'])
  tell(`**Two more are started** with \`--join\`. They have staged themselves.`, planned)
  const plan = /^plan ([0-9a-f]{16}) /.exec(planned.stdout)?.[1]
  const grown = await operator.do(['cluster', 'commit', '--plan', String(plan), '--wait'])
  tell(
    'That is what was wanted, so exactly this plan is carried out; the command returns when nothing moves any more.',
    grown,
    await operator.do(['ring', 'balance']),
  )
  await scene.settled(2)

  const leaves = await operator.do(['cluster', 'leave', leaver.name])
  const stale = await operator.run(['cluster', 'commit', '--plan', String(plan), '--yes'])
  tell('**One leaves.** The plan of before is not the current one any more, and does nothing.', leaves, stale)
  lab.claim('a plan that is not the current one is a conflict', stale.code === 6, `exit code ${stale.code}`)
  tell(
    'So the new one is carried out. The leaver hands over, and its process ends by itself.',
    await operator.do(['cluster', 'commit', '--yes', '--wait']),
  )
  lab.claim(`${leaver.name} ended by itself with 0`, (await leaver.ends(leftWithinMs)) === 0)
  cluster.dismiss(leaver)

  await victim.kill()
  victim.emptyData()
  await cluster.seesAs(victim, ['dead'])
  const [successor] = (await cluster.add(1)) as [Member]
  tell(
    `**One dies**: its process is killed and its disk is lost. Requests go on. A new machine is there: ${successor.name} is started with \`--join\`, and is to take exactly the dead one's place.`,
    await operator.do(['cluster', 'status']),
    await operator.do(['cluster', 'replace', victim.name, successor.name]),
    await operator.do(['cluster', 'plan']),
    await operator.do(['cluster', 'commit', '--yes', '--wait']),
  )
  cluster.dismiss(victim)
  const awaited = await operator.do(['cluster', 'status'])
  tell(
    'Everything has its three copies again. Since that disk is gone for good, nobody needs to wait for what was on it.',
    awaited,
    await operator.do(['cluster', 'forget', victim.name, '--yes']),
  )

  tell(
    `**One is restarted**: it is drained, stopped, and started again with the command it was started with.`,
    await operator.do(['node', 'drain'], first),
  )
  await first.stop()
  await first.start()
  await first.ready()
  await scene.settled(5)
  tell('At the end:', await operator.do(['node', 'status'], first), await operator.do(['cluster', 'status', '--check']))
  await load.runFor(seconds)
  await load.stop()
  const { answered, failed } = load
  // How many may fail is for `grow-shrink-replace` to judge, on a machine that has nothing else to do.
  lab.measure('requests answered meanwhile', answered, '')
  lab.measure('requests that failed after all retries', failed, '')
  const names = [first, ...newcomers, successor].map(({ name }) => name).join()
  lab.claim('the nodes that are left own everything', (await scene.ring()).names.toSorted().join() === names, names)
  scene.claimReads()
  await scene.claimEverythingThere('at the end')
  scene.claimReadable()
}

function blockOf(shown: readonly Ran[]): string {
  const lines = shown.flatMap(({ line, code, stdout, stderr }) => [
    `$ ${line}`,
    `${stdout}${stderr}`.trimEnd(),
    ...(code === 0 ? [] : [`(exit code ${code})`]),
  ])
  return ['```text', ...lines.filter((line) => line !== ''), '```'].join('\n')
}

/** Replaces the story in docs/operations.md by what was printed last. */
function keep(): void {
  if (!existsSync(page)) throw new Error(`run this where ${page} is`)
  const text = readFileSync(page, 'utf8')
  const start = text.indexOf(heading)
  const after = text.indexOf('\n## ', start + heading.length)
  const rest = after === -1 ? '' : text.slice(after)
  writeFileSync(page, `${text.slice(0, start)}${[heading, preface, ...story].join('\n\n')}\n${rest}`)
}

const preface =
  'What the commands printed in a run of `npm run scenario -- operators-story --write`, which made this section. `STARLING_ENDPOINT` names the nodes.'
