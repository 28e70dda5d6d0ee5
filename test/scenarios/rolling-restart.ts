import type { Lab } from './kit/lab.ts'
import type { Scenario } from './kit/scenario.ts'
import { Scene } from './kit/scene.ts'

const quietSeconds = 2
const requestsMin = 500

export const rollingRestart: Scenario = {
  name: 'rolling-restart',
  summary:
    'all nodes are restarted one after the other under load, by SIGTERM alone and after a drain: no request fails beyond the retries of its client',
  seconds: 10,
  keys: 2_000,
  run,
}

async function run(lab: Lab): Promise<void> {
  const { keys = 1_000, seconds, rate } = lab.options
  const scene = await Scene.begin(lab, { keys })
  const { cluster, load, operator } = scene
  load.period('before')
  load.start(rate)
  await load.runFor(seconds)
  for (const how of ['SIGTERM alone', 'a drain before'] as const) {
    const period = load.period(how)
    for (const member of cluster.members) {
      if (how === 'a drain before') {
        await operator.do(['node', 'drain', '--yes'], member)
        const isReady = await member.isReady()
        lab.claim(`${member.name} is not ready once it is drained`, !isReady)
      }
      const code = await member.stop()
      lab.claim(`${member.name} ends with 0, with ${how}`, code === 0, `${code}`)
      await member.start()
      await member.ready()
      await cluster.settled()
      await load.runFor(quietSeconds)
    }
    load.period(`after ${how}`)
    lab.mustHaveSeen(`requests with ${how}`, period.answered, requestsMin)
    lab.claim(
      `no request fails with ${how}`,
      period.failed === 0,
      `${period.failed} of ${period.answered + period.failed}`,
    )
    lab.measure(`p99 with ${how}`, period.summary.p99Ms, 'ms')
    lab.measure(`slowest with ${how}`, period.summary.maxMs, 'ms')
  }
  await load.stop()
  lab.claim('no request fails at any time', load.failed === 0, `${load.failed} of ${load.failed + load.answered}`)
  scene.claimReads()
  await scene.claimEverythingThere('at the end')
}
