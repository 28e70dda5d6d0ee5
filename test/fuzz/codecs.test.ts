import { feedInTest } from './feed-in-test.ts'
import { targets } from './targets.ts'

for (const target of targets.filter(({ isOfNodes }) => isOfNodes !== true)) feedInTest(target)
