import t from 'tap'
import { TokenRun } from './fixtures/token-run.ts'

t.test('whatever happens to nodes and networks, a token is good where it should be and nowhere else', async (t) => {
  for (const seed of [1, 2]) {
    const run = new TokenRun(seed)
    run.start()
    t.same(run.wrongs, [], `seed ${seed}`)
    t.ok(run.tokens.length > 20, `${run.tokens.length} tokens were made`)
    t.ok(run.tokens.filter(({ revokedAtMs }) => revokedAtMs < Number.POSITIVE_INFINITY).length > 5)
    t.ok(run.faults > 10)
    t.ok(run.looks > 1_000, `${run.looks} looks at nodes that had read a quorum in time`)
  }
})
