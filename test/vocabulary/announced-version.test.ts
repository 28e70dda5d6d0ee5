import t from 'tap'
import { announceVersion, softwareVersionOf, wireVersionOf } from '../../lib/vocabulary/announced-version.ts'
import fc from '../fixtures/fast-check.ts'

t.test('a node says in one text which software it is and which protocol it speaks', async (t) => {
  t.equal(announceVersion('0.4.0-rc.1', 2), '0.4.0-rc.1+wire.2')
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 999_999_999 }), (software, wire) => {
      const text = announceVersion(software, wire)
      return softwareVersionOf(text) === software && wireVersionOf(text) === wire
    }),
  )
})

t.test('whoever says nothing of a protocol speaks the first', async (t) => {
  for (const text of ['', '0.1.0', '0.1.0+wire', '0.1.0+wire.', '0.1.0+wire.0', '0.1.0+wire.2x', '+wired.2']) {
    t.equal(softwareVersionOf(text), text)
    t.equal(wireVersionOf(text), 1, text)
  }
})
