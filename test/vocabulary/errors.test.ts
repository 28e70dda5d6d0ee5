import t from 'tap'
import { DeadlineExceeded, errorOf, InvalidKey, isErrorCode, StarlingError } from '../../lib/vocabulary/errors.ts'
import { InvariantViolation, invariant, unreachable } from '../../lib/vocabulary/invariant.ts'

t.test('an error says what happened to the data: unless it says otherwise, nothing', async (t) => {
  const cause = new Error('disk')
  const error = new DeadlineExceeded('too late', { aftermath: 'may-have-changed', hint: 'read first', cause })
  t.match(error, {
    code: 'deadline-exceeded',
    aftermath: 'may-have-changed',
    hint: 'read first',
    retryable: true,
    cause,
  })
  t.ok(error instanceof StarlingError && error instanceof Error)
  t.equal(error.name, 'DeadlineExceeded')
  t.match(new InvalidKey('is empty'), { aftermath: 'nothing-changed', hint: undefined, retryable: false })
  t.notOk('cause' in new InvalidKey('is empty'))
})

t.test('a code brings its class back, as from a frame or from HTTP', async (t) => {
  const error = errorOf('deadline-exceeded', 'too late', { aftermath: 'may-have-changed' })
  t.ok(error instanceof DeadlineExceeded)
  t.match(error, { message: 'too late', aftermath: 'may-have-changed' })
  t.ok(isErrorCode('invalid-key'))
  for (const text of ['', 'not-owner', 'constructor', 'toString', '__proto__']) t.notOk(isErrorCode(text), text)
})

t.test('a bug of ours is no StarlingError, and brings what it knows', async (t) => {
  t.doesNotThrow(() => invariant(true, 'holds'))
  t.throws(() => invariant(false, 'a key has replicas', { n: 0 }), {
    name: 'InvariantViolation',
    message: /a key has replicas/,
    details: { n: 0 },
  })
  t.throws(() => unreachable('what' as never), InvariantViolation)
  t.notOk(new InvariantViolation('x') instanceof StarlingError)
})
