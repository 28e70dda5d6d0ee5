import t from 'tap'
import { JsonWeight } from '../../lib/http/json-weight.ts'
import fc from '../fixtures/fast-check.ts'

t.test('the values in a text of JSON', async (t) => {
  t.test('are counted without being parsed, and never below what a parser would make', async (t) => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = Buffer.from(JSON.stringify(value))
        t.ok(jsonValuesIn(text, 1e9) >= valuesOf(JSON.parse(text.toString())))
      }),
    )
  })
  t.test('are not those that stand in a string', async (t) => {
    const text = JSON.stringify({ operations: [{ value: `[,"\\"{${',['.repeat(5_000)}` }] })
    t.ok(jsonValuesIn(Buffer.from(text), 1e9) < 10)
  })
  t.test('are as many however the text is cut into pieces', async (t) => {
    fc.assert(
      fc.property(fc.json(), fc.array(fc.nat(9)), (json, cuts) => {
        const text = Buffer.from(json)
        const weight = new JsonWeight()
        let at = 0
        for (const length of cuts) {
          weight.add(text.subarray(at, at + length), 1e9)
          at += length
        }
        weight.add(text.subarray(at), 1e9)
        t.equal(weight.values, jsonValuesIn(text, 1e9))
      }),
    )
  })
  t.test('are not counted further than matters', async (t) => {
    t.equal(jsonValuesIn(Buffer.alloc(10_000, '['), 100), 101)
  })
})

function jsonValuesIn(text: Uint8Array, max: number): number {
  const weight = new JsonWeight()
  weight.add(text, max)
  return weight.values
}

/** But the names of fields. */
function valuesOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  return 1 + Object.values(value).reduce((sum: number, part) => sum + valuesOf(part), 0)
}
