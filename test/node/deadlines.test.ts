import t from 'tap'
import { Deadlines } from '../../lib/node/deadlines.ts'
import { ManualTime } from './fixtures/fake-parts.ts'

t.test('a deadline is noticed once, not early, and at most a sweep late', async (t) => {
  const { time, deadlines, passed } = made()
  deadlines.after(100, passed('a'))
  deadlines.after(50, passed('b'))
  time.pass(49)
  t.same(passed.names, [])
  time.pass(6)
  t.same(passed.names, ['b'])
  time.pass(44)
  t.same(passed.names, ['b'])
  time.pass(6)
  t.same(passed.names, ['b', 'a'])
  time.pass(1000)
  t.same(passed.names.length, 2)
})

t.test('all of them share one timer, which rests when there are none', async (t) => {
  const { time, deadlines, passed } = made()
  const all = Array.from({ length: 100 }, (_, index) => deadlines.after(1000 + index, passed(`${index}`)))
  t.equal(time.timers, 1)
  for (const deadline of all) deadlines.cancel(deadline)
  time.pass(60)
  t.same([time.timers, passed.names.length], [0, 0])
  deadlines.after(10, passed('later'))
  time.pass(20)
  t.same(passed.names, ['later'])
})

t.test('the nearer the nearest deadline, the sooner they are looked at', async (t) => {
  const { time, deadlines, passed } = made()
  deadlines.after(1000, passed('far'))
  deadlines.after(8, passed('near'))
  t.equal(time.timers, 1)
  time.pass(14)
  t.same(passed.names, ['near'])
  deadlines.after(1, passed('next'))
  time.pass(6)
  t.same(passed.names, ['near', 'next'])
  time.pass(979)
  t.same(passed.names, ['near', 'next'])
  time.pass(6)
  t.same(passed.names, ['near', 'next', 'far'])
})

t.test('a deadline that is called off does not pass, whenever that is done', async (t) => {
  const { time, deadlines, passed } = made()
  const other = deadlines.after(20, passed('other'))
  deadlines.after(5, () => deadlines.cancel(other))
  time.pass(100)
  t.same(passed.names, [])
  deadlines.cancel(other)
})

t.test('one that is set when another passes counts from then', async (t) => {
  const { time, deadlines, passed } = made()
  deadlines.after(10, () => deadlines.after(10, passed('second')))
  time.pass(18)
  t.same(passed.names, [])
  time.pass(20)
  t.same(passed.names, ['second'])
})

t.test('when the node stops, everything that waits is over', async (t) => {
  const { time, deadlines, passed } = made()
  for (const name of ['a', 'b']) deadlines.after(60_000, passed(name))
  deadlines.stop()
  t.same(passed.names, ['a', 'b'], 'and whoever waits for an answer gets one')
  t.equal(time.timers, 0)
  time.pass(100_000)
  t.equal(passed.names.length, 2)
})

t.test('whoever looks again and again does not keep a node from stopping', async (t) => {
  const { time, deadlines } = made()
  let looks = 0
  const look = (): void => {
    looks += 1
    deadlines.after(20, look)
  }
  deadlines.after(20, look)
  deadlines.stop()
  time.pass(1000)
  t.equal(looks, 1)
})

function made() {
  const time = new ManualTime()
  const names: string[] = []
  const passed = Object.assign((name: string) => () => names.push(name), { names })
  return { time, deadlines: new Deadlines(time), passed }
}
