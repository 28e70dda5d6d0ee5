import t from 'tap'
import { Attempts } from './attempt.ts'
import { Campaign } from './campaign.ts'
import { readFindings } from './kept-inputs.ts'
import { targets } from './targets.ts'

const seed = 4711

t.test('what broke a promise once does not break it again', async (t) => {
  for (const [name, finding] of readFindings()) {
    const target = targets.find((one) => one.name === finding.target)
    if (target === undefined) throw new Error(`${name} is of no target`)
    const attempts = await Attempts.open(target)
    const failure = await attempts.run(finding.input)
    await attempts.close()
    t.equal(failure?.text, undefined, `${name}: ${finding.about}`)
  }
})

for (const target of targets) {
  t.test(`${target.name}: ${target.summary}`, async (t) => {
    const campaign = await Campaign.begin(target, { seed })
    t.teardown(() => campaign.close())
    await campaign.run(() => campaign.given >= target.inputsInTests)
    for (const { failure, input } of campaign.found)
      t.fail(`${failure.text}\nfound by ${Buffer.from(input).toString('base64')}`)
    t.equal(campaign.found.length, 0, `${campaign.given} inputs`)
  })
}
