import t from 'tap'
import {
  announceVersion,
  isAnnouncedInsecure,
  softwareVersionOf,
  wireVersionOf,
} from '../../lib/vocabulary/announced-version.ts'
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

t.test('a node that is open to strangers says that in the same text', async (t) => {
  const text = announceVersion('0.4.0', 2, true)
  t.equal(text, '0.4.0+insecure+wire.2')
  t.same([softwareVersionOf(text), wireVersionOf(text), isAnnouncedInsecure(text)], ['0.4.0', 2, true])
  t.notOk(isAnnouncedInsecure(announceVersion('0.4.0', 2)))
  t.notOk(isAnnouncedInsecure('0.4.0+insecure'), 'somebody else wrote that')
})

t.test('whoever says nothing of a protocol speaks the first', async (t) => {
  for (const text of ['', '0.1.0', '0.1.0+wire', '0.1.0+wire.', '0.1.0+wire.0', '0.1.0+wire.2x', '+wired.2']) {
    t.equal(softwareVersionOf(text), text)
    t.equal(wireVersionOf(text), 1, text)
  }
})
