import t from 'tap'
import { Campaign } from './campaign.ts'
import type { Target } from './target.ts'

const seed = 4711

/** As many inputs as every run of the tests has time for, always the same ones: seeds, corpus, and what is made of them. */
export function feedInTest(target: Target): void {
  t.test(`${target.name}: ${target.summary}`, { timeout: 120_000 }, async (t) => {
    const campaign = await Campaign.begin(target, { seed })
    t.teardown(() => campaign.close())
    await campaign.run(() => campaign.given >= target.inputsInTests)
    for (const { failure, input } of campaign.found) {
      t.fail(`${failure.text}\nfound by ${Buffer.from(input).toString('base64')}`)
    }
    t.ok(campaign.given >= target.inputsInTests, `${campaign.given} inputs`)
  })
}
