import t from 'tap'
import { compareKeys } from '../../lib/vocabulary/key-order.ts'
import fc from '../fixtures/fast-check.ts'

t.test('keys stand in the order of their bytes, not of their UTF-16 units', async (t) => {
  t.ok(compareKeys('\uffff', '🐦') < 0)
  t.ok('\uffff' > '🐦', 'as strings they stand the other way')
  t.ok(compareKeys('a', 'ab') < 0)
  t.equal(compareKeys('ä', 'ä'), 0)
  const text = fc.string({ unit: fc.constantFrom('a', 'ÿ', '\ud7ff', '\ue000', '\uffff', '🐦', '\u{10ffff}') })
  fc.assert(
    fc.property(text, text, (one, other) => {
      t.equal(Math.sign(compareKeys(one, other)), Buffer.compare(Buffer.from(one), Buffer.from(other)))
    }),
  )
})
