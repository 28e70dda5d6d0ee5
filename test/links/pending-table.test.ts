import t from 'tap'
import { PendingTable } from '../../lib/links/pending-table.ts'
import fc from '../fixtures/fast-check.ts'

t.test('an entry is found by its number until it is taken, and only once', async (t) => {
  const table = new PendingTable<Entry>()
  const first = added(table, 'first')
  const second = added(table, 'second')
  t.not(first, second)
  t.equal(table.size, 2)
  t.equal(table.take(first)?.name, 'first')
  t.equal(table.take(first), undefined, 'an answer that comes twice finds nobody')
  t.equal(table.take(second)?.name, 'second')
  t.equal(table.size, 0)
})

t.test('a number that has gone finds nothing of what stands in its place now', async (t) => {
  const table = new PendingTable<Entry>()
  const late = added(table, 'late')
  table.take(late)
  const later: number[] = []
  for (let index = 0; index < 200; index += 1) {
    const id = added(table, `entry ${index}`)
    later.push(id)
    t.equal(table.take(late), undefined)
    if (index % 2 === 0) table.take(id)
  }
  t.equal(new Set([late, ...later]).size, 201)
})

t.test('it holds as many as are added, whatever stays for how long', async () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.constant('add' as const) },
    { weight: 2, arbitrary: fc.nat(1000) },
    { weight: 1, arbitrary: fc.constant('overdue' as const) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
      const table = new PendingTable<Entry>()
      const model = new Map<number, Entry>()
      for (const step of steps) {
        if (step === 'add') {
          const id = added(table, 'one', model)
          if (model.get(id)?.id !== id) return false
        } else if (step === 'overdue') {
          const taken = table.takeAll(({ id }) => id % 3 === 0).map(({ id }) => id)
          const expected = [...model.keys()].filter((id) => id % 3 === 0).sort((a, b) => a - b)
          if (taken.join() !== expected.join()) return false
          for (const id of taken) model.delete(id)
        } else {
          const id = [...model.keys()][step % Math.max(1, model.size)] ?? step
          if (table.take(id) !== model.get(id)) return false
          model.delete(id)
        }
        if (table.size !== model.size) return false
      }
      return true
    }),
  )
})

interface Entry {
  readonly id: number
  readonly name: string
}

function added(table: PendingTable<Entry>, name: string, model?: Map<number, Entry>): number {
  const entry = { id: table.nextId(), name }
  table.add(entry)
  model?.set(entry.id, entry)
  return entry.id
}
