import t from 'tap'
import {
  cutOffMsMax,
  failuresInAllPerSecondMax,
  failuresPerSecondMax,
  StrangerTable,
  tryAnyEveryMs,
  tryEveryMs,
} from '../../lib/security/stranger-table.ts'

t.test('an address is cut off when it fails too often in a second, for longer each time', async (t) => {
  const { table, clock } = started()
  for (let failure = 0; failure < failuresPerSecondMax; failure += 1) t.equal(table.failed('10.0.0.9'), undefined)
  clock.nowMs += 1_001
  for (let failure = 0; failure < failuresPerSecondMax; failure += 1) table.failed('10.0.0.9')
  t.notOk(table.isCutOff('10.0.0.9'), 'so many a second are borne')
  clock.nowMs += 1_001
  const lasted: (number | undefined)[] = []
  for (let round = 0; round < 8; round += 1) {
    lasted.push(fail(table, '10.0.0.9', failuresPerSecondMax + 1).at(-1))
    t.ok(table.isCutOff('10.0.0.9'))
    t.equal(table.failed('10.0.0.9'), undefined, 'which is said once')
    clock.nowMs += (lasted.at(-1) as number) + 1
    t.notOk(table.isCutOff('10.0.0.9'))
  }
  t.same(lasted, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
  t.notOk(table.isCutOff('10.0.0.8'))

  await t.test('until it has been quiet for long', async (t) => {
    clock.nowMs += cutOffMsMax + 1
    t.equal(fail(table, '10.0.0.9', failuresPerSecondMax + 1).at(-1), 1_000)
  })
})

t.test('from an address that is cut off something is tried now and then, evenly', async (t) => {
  const { table, clock } = started()
  t.ok(table.mayTry('10.0.0.9') && table.mayTry('10.0.0.9'))
  fail(table, '10.0.0.9', failuresPerSecondMax + 1)
  let tries = 0
  const endMs = clock.nowMs + 500
  for (; clock.nowMs < endMs; clock.nowMs += 0.1) if (table.mayTry('10.0.0.9')) tries += 1
  t.equal(tries, 500 / tryEveryMs)
  t.ok(table.mayTry('10.0.0.8') && table.mayTry('10.0.0.8'), 'and others are not concerned')
})

t.test('what was dear to turn away is tried so much later', async (t) => {
  const { table, clock } = started()
  t.equal(table.failed('10.0.0.9', failuresPerSecondMax), undefined)
  t.equal(table.failed('10.0.0.9', 5), 1_000, 'it counts for as much')
  t.ok(table.mayTry('10.0.0.9'))
  table.failed('10.0.0.9', 10)
  clock.nowMs += 10 * tryEveryMs - 1
  t.notOk(table.mayTry('10.0.0.9'))
  clock.nowMs += 1
  t.ok(table.mayTry('10.0.0.9'))
})

t.test('whoever makes up addresses makes no more work than all of them may, and no more memory', async (t) => {
  const { table, clock } = started()
  for (let address = 0; address < 5_000; address += 1) table.failed(`10.${address >> 8}.${address & 255}.1`)
  t.equal(table.size, 1_024)
  let tries = 0
  const endMs = clock.nowMs + 500
  for (let address = 0; clock.nowMs < endMs; clock.nowMs += 0.1) {
    address += 1
    if (table.mayTry(`192.168.${address >> 8}.${address & 255}`)) tries += 1
  }
  t.equal(tries, 500 / tryAnyEveryMs)
  clock.nowMs += 1_000
  t.ok(table.mayTry('10.0.0.8') && table.mayTry('10.0.0.8'), 'a second later it is over')
  t.ok(failuresInAllPerSecondMax > failuresPerSecondMax)
})

function started(): { readonly table: StrangerTable; readonly clock: { nowMs: number } } {
  const clock = { nowMs: 5_000 }
  return { table: new StrangerTable(() => clock.nowMs), clock }
}

function fail(table: StrangerTable, address: string, times: number): readonly (number | undefined)[] {
  return Array.from({ length: times }, () => table.failed(address))
}
