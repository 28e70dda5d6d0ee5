import t from 'tap'
import { Histories, type History } from './kit/histories.ts'

const nothingWrong = { wentBack: 0, lost: 0, invented: 0 }

t.test('what a strict read must show', async (t) => {
  t.test('is what was acknowledged strictly before it began, or what superseded it', async (t) => {
    const { histories, history, acknowledged } = begun()
    acknowledged()
    acknowledged()
    t.same(shown(histories, history, [2]), nothingWrong)
    t.same(shown(histories, history, [1]), { ...nothingWrong, wentBack: 1 })
    t.same(shown(histories, history, []), { ...nothingWrong, wentBack: 1 })
  })

  t.test('may be what is still on its way, and from then on must', async (t) => {
    const { histories, history, acknowledged } = begun()
    acknowledged()
    history.begin()
    t.same(shown(histories, history, [1]), nothingWrong)
    t.same(shown(histories, history, [2]), nothingWrong)
    t.same(shown(histories, history, [1]), { ...nothingWrong, wentBack: 1 })
  })

  t.test('is not what a fallback acknowledged, until it was seen', async (t) => {
    const { histories, history, acknowledged } = begun()
    acknowledged()
    acknowledged(false)
    t.same(shown(histories, history, [1]), nothingWrong)
    t.same(shown(histories, history, [2]), nothingWrong)
    t.same(shown(histories, history, [1]), { ...nothingWrong, wentBack: 1 })
  })

  t.test('is judged by what was owed when it began', async (t) => {
    const { histories, history, acknowledged } = begun()
    acknowledged()
    const { floor } = history
    acknowledged()
    histories.judgeStrict(history, floor, [history.value(1)], '')
    t.same(histories.wrongs.wentBack, [], 'it may have been answered before the second write')
  })

  t.test('is a sibling whose outcome nobody knew, once it was seen, for ever', async (t) => {
    const { histories, history, acknowledged } = begun()
    acknowledged()
    history.end(history.begin(), 'unknown')
    acknowledged()
    t.same(shown(histories, history, [3]), nothingWrong, 'it may never show up')
    t.same(shown(histories, history, [2, 3]), nothingWrong, 'the later write did not know of it')
    acknowledged()
    t.same(shown(histories, history, [2, 4]), nothingWrong)
    t.same(shown(histories, history, [4]), { ...nothingWrong, wentBack: 1 })
  })
})

t.test('what nobody wrote is noticed', async (t) => {
  const { histories, history, acknowledged } = begun()
  acknowledged()
  history.end(history.begin(), 'refused')
  t.same(shown(histories, history, [2]), { ...nothingWrong, invented: 1 }, 'refused')
  t.same(shown(histories, history, [3]), { ...nothingWrong, invented: 1 }, 'never written')
  acknowledged()
  t.same(shown(histories, history, [1, 3]), nothingWrong, 'a write with two names may stay beside what superseded one')
  t.equal(histories.falseSiblings, 1, 'it is counted')
  histories.judgeStrict(history, [], [history.value(3).slice(1)], '')
  t.equal(histories.wrongs.invented.length, 3, 'damaged')
})

t.test('at the end every acknowledged write must be there, whoever acknowledged it', async (t) => {
  const { histories, history, acknowledged } = begun()
  acknowledged()
  acknowledged(false)
  t.equal(histories.judgeAll(history, [history.value(1)], ''), false)
  t.equal(histories.wrongs.lost.length, 1)
  t.equal(histories.judgeAll(history, [history.value(2)], ''), true)
})

t.test('values have the length that was asked for, and are all different', async (t) => {
  const { history } = begun()
  t.equal(history.value(1).length, 64)
  t.not(history.value(1), history.value(2))
})

interface Begun {
  readonly histories: Histories
  readonly history: History
  readonly acknowledged: (isStrict?: boolean) => void
}

function begun(): Begun {
  const histories = new Histories(64)
  const history = histories.of('k/1')
  return {
    histories,
    history,
    acknowledged: (isStrict = true) => history.end(history.begin(), 'acknowledged', 'context', isStrict),
  }
}

/** How many wrongs of each kind a strict read that shows these adds. */
function shown(histories: Histories, history: History, numbers: readonly number[]): Record<string, number> {
  const count = (): number[] => Object.values(histories.wrongs).map(({ length }: readonly string[]) => length)
  const before = count()
  histories.judgeStrict(
    history,
    history.floor,
    numbers.map((number) => history.value(number)),
    '',
  )
  const after = count()
  return Object.fromEntries(
    Object.keys(histories.wrongs).map((kind, at) => [kind, (after[at] ?? 0) - (before[at] ?? 0)]),
  )
}
