import t from 'tap'
import { Attempts } from './attempt.ts'
import { readFindings } from './kept-inputs.ts'
import { targets } from './targets.ts'

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
