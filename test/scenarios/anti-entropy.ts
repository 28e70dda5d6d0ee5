import type { Scenario } from './kit/scenario.ts'
import { oneOwnerAway } from './one-owner-away.ts'

const flags = ['--hints', 'off', '--read-repair', 'off']
/** Every pair of co-owners meets within ten minutes; after a return at once, and then as soon as hints would be there. */
const heldWithinSeconds = 10

export const antiEntropy: Scenario = {
  name: 'anti-entropy',
  summary: 'one of three nodes is away under load; anti-entropy alone brings its copies up to date',
  seconds: 60,
  run: (lab) => oneOwnerAway(lab, { flags, heldWithinSeconds }),
}

export const antiEntropyEmptied: Scenario = {
  name: 'anti-entropy-emptied',
  summary: 'the same, and its data directory is deleted while it is away',
  seconds: 60,
  run: (lab) => oneOwnerAway(lab, { flags, heldWithinSeconds, deletesData: true }),
}
