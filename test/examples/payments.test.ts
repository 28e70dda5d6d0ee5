import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import { CircuitBreaker } from '../../examples/payments/circuit-breaker.ts'
import { type Gateway, GatewayAway } from '../../examples/payments/gateway.ts'
import { GatewayLedger } from '../../examples/payments/gateway-ledger.ts'
import { mergePayments, type Outcome, type Payment, type PaymentRequest } from '../../examples/payments/payment.ts'
import { IdReused, PaymentDesk } from '../../examples/payments/payment-desk.ts'
import { QuorumUnavailable } from '../../lib/index.ts'
import { type SimulatedCluster, simulateCluster } from '../../lib/testing.ts'
import fc from '../fixtures/fast-check.ts'
import { auditPayments, type Wanted } from '../scenarios/kit/payment-audit.ts'
import { tellsItsReadme } from './fixtures/story.ts'

// A machine that is busy takes its time.
t.setTimeout(120_000)

const request: PaymentRequest = { account: 'ada', amountCents: 1250, reference: 'order 1' }
const memoryMs = 60_000
const openForMsMin = 1_000

t.test('the story of the README is what the program prints', async (t) => {
  await tellsItsReadme(t, 'payments')
})

t.test('two desks that are asked at once charge once, and say the same', async (t) => {
  const { desk, ledger } = await shop(t)
  const [one, other] = await Promise.all([desk().pay('p1', request), desk().pay('p1', request)])
  t.same(one?.outcome, other?.outcome)
  t.equal(ledger.charges.length, 1)
  t.match(await desk().find('p1'), { outcome: { state: 'charged', chargeId: 'charge-1' } })
  t.equal(await desk().find('p2'), undefined)
})

t.test('a desk that dies after the money moved leaves a payment that another one finishes', async (t) => {
  const { desk, ledger, cluster } = await shop(t)
  const dying = desk({ charge: dies })
  await t.rejects(dying.pay('p1', request), GatewayAway)
  t.equal(ledger.charges.length, 1, 'the money has moved')
  t.match(await desk().find('p1'), { requests: [request], outcome: undefined }, 'and nobody knows')
  t.same(await desk().settleOpen(), { settled: 0, left: 1 }, 'perhaps somebody is at it')
  await cluster.run(openForMsMin)
  t.same(await desk().settleOpen(), { settled: 1, left: 0 })
  t.match(await desk().find('p1'), { outcome: { state: 'charged', chargeId: 'charge-1' } })
  t.equal(ledger.charges.length, 1)
  t.same(await desk().settleOpen(), { settled: 0, left: 0 }, 'nothing is open any more')

  function dies(id: string, asked: PaymentRequest, notAfterMs: number): Promise<Outcome> {
    ledger.charge(id, asked, notAfterMs)
    return Promise.reject(new GatewayAway('gone', 1))
  }
})

t.test('what the gateway has forgotten is not charged again', async (t) => {
  await t.test('as the record knows it', async (t) => {
    const { desk, ledger, cluster } = await shop(t)
    await desk().pay('p1', request)
    await cluster.run(2 * memoryMs)
    t.match((await desk().pay('p1', request)).outcome, { chargeId: 'charge-1' })
    t.equal(ledger.charges.length, 1)
  })
  await t.test('as an old payment is looked up first', async (t) => {
    const { desk, ledger, cluster } = await shop(t)
    await t.rejects(desk({ charge: losesAnswers(ledger) }).pay('p1', request))
    await cluster.run(2 * memoryMs)
    t.match((await desk().pay('p1', request)).outcome, { chargeId: 'charge-1' })
    t.same(
      { ...ledger.asked, charges: ledger.charges.length },
      { charge: 1, find: 1, tooLate: 0, repeated: 0, charges: 1 },
    )
  })
  await t.test('as a request that was long on its way comes too late', async (t) => {
    const { desk, ledger, cluster } = await shop(t)
    const slow = desk({
      charge: (id, asked, notAfterMs) => cluster.run(memoryMs / 2).then(() => answer(ledger, id, asked, notAfterMs)),
    })
    await t.rejects(slow.pay('p1', request), GatewayAway)
    t.equal(ledger.charges.length, 0)
  })
  await t.test('unless a desk is told that it remembers for longer than it does', async (t) => {
    const { ledger, cluster, desk } = await shop(t, 100 * memoryMs)
    await t.rejects(desk({ charge: losesAnswers(ledger) }).pay('p1', request))
    await cluster.run(2 * memoryMs)
    const { outcome } = await desk().pay('p1', request)
    t.equal(ledger.charges.length, 2, 'so the look before is what the other tests rest on')
    const record: Payment = { requests: [request], requestedAtMs: 0, outcome }
    t.same(auditPayments([{ reference: 'order 1', told: [], record }], ledger.charges).double, ['order 1'])
  })
})

t.test('an id belongs to one payment', async (t) => {
  const { desk, ledger } = await shop(t)
  await desk().pay('p1', request)
  await t.rejects(desk().pay('p1', { ...request, amountCents: 1 }), IdReused)
  const outcomes = await Promise.allSettled([
    desk().pay('p2', request),
    desk().pay('p2', { ...request, amountCents: 1 }),
  ])
  t.same(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'], 'also when both are asked at once')
  t.equal(ledger.charges.length, 2)
})

t.test('nothing is charged unless it is noted at a majority of owners', async (t) => {
  const { desk, ledger, cluster } = await shop(t)
  const [, second, third] = cluster.names as [string, string, string]
  const ready = desk()
  await ready.find('p0')
  await cluster.crash(second)
  await cluster.crash(third)
  await t.rejects(ready.pay('p1', request), QuorumUnavailable)
  t.equal(ledger.asked.charge, 0)
  await cluster.restart(second)
  t.match((await ready.pay('p1', request)).outcome, { state: 'charged' })
})

t.test('records of a payment merge in any order, and outcomes are never forgotten', async (t) => {
  const laws = fc.property(payment(), payment(), payment(), (one, other, third) => {
    assert.deepStrictEqual(mergePayments([one, other]), mergePayments([other, one]))
    const left = mergePayments([mergePayments([one, other]) as Payment, third])
    assert.deepStrictEqual(left, mergePayments([one, mergePayments([other, third]) as Payment]))
    assert.deepStrictEqual(mergePayments([one, one]), mergePayments([one]))
    const known = [one, other, third].some(({ outcome }) => outcome !== undefined)
    assert.equal(left?.outcome !== undefined, known)
  })
  t.doesNotThrow(() => fc.assert(laws, { numRuns: 300 }))
  t.equal(mergePayments([]), undefined)
})

t.test('the breaker leaves a gateway alone that fails, and tries it again with one request', async (t) => {
  const breaker = new CircuitBreaker({ failuresInRowMax: 2, openMs: 100 })
  breaker.failed(0)
  t.equal(breaker.waitMs(1), 0, 'one failure is nothing')
  breaker.failed(1)
  t.equal(breaker.waitMs(51), 50)
  t.equal(breaker.waitMs(101), 0, 'one may find out')
  t.equal(breaker.waitMs(101), 100, 'and only one')
  breaker.failed(102)
  t.equal(breaker.waitMs(103), 99)
  t.equal(breaker.waitMs(202), 0)
  breaker.succeeded()
  t.same([breaker.waitMs(203), breaker.waitMs(203)], [0, 0])
})

t.test('the audit of the scenario notices whatever may go wrong', async (t) => {
  const outcome: Outcome = { state: 'charged', chargeId: 'c1', request }
  const record: Payment = { requests: [request], requestedAtMs: 0, outcome }
  const told = [{ state: 'charged', chargeId: 'c1', tries: 1 }] as const
  const good: Wanted = { reference: 'order 1', told, record }
  const charge = { chargeId: 'c1', id: 'p1', request }
  const clean = { double: [], lost: [], unrecorded: [], contradicted: [], unfinished: [] }
  t.same(auditPayments([good], [charge]), clean)
  t.match(auditPayments([good], [charge, { ...charge, chargeId: 'c2', id: 'p2' }]), { double: ['order 1'] })
  t.match(auditPayments([good], []), { lost: ['order 1'] }, 'told, and no money moved')
  t.match(auditPayments([{ ...good, record: undefined }], [charge]), { lost: ['order 1'], unrecorded: ['order 1'] })
  t.match(auditPayments([], [charge]), { unrecorded: ['order 1'] })
  const twice = { ...good, told: [...told, { state: 'charged', chargeId: 'c9', tries: 1 }] } as const
  t.match(auditPayments([twice], [charge]), { contradicted: ['order 1'] })
  const open = { ...record, outcome: undefined }
  t.match(auditPayments([{ ...good, told: [], record: open }], [charge]), { unfinished: ['order 1'] })
})

interface Shop {
  readonly cluster: SimulatedCluster
  readonly ledger: GatewayLedger
  /** A new desk, as in a process of its own. */
  readonly desk: (gateway?: Partial<Gateway>) => PaymentDesk
}

/** @param believedMemoryMs what desks are told of the gateway's memory */
async function shop(t: Test, believedMemoryMs = memoryMs): Promise<Shop> {
  const cluster = await simulateCluster({ nodes: 3, seed: 5 })
  t.teardown(() => cluster.close())
  const nowMs = (): number => cluster.nowMs
  const ledger = new GatewayLedger(memoryMs, nowMs)
  const gateway: Gateway = {
    charge: async (id, asked, notAfterMs) => answer(ledger, id, asked, notAfterMs),
    find: async (id) => ledger.find(id),
  }
  const desk = (other: Partial<Gateway> = {}): PaymentDesk => {
    const db = cluster.database(cluster.names[0] as string, { session: false })
    const options = { gatewayMemoryMs: believedMemoryMs, openForMsMin, nowMs }
    return new PaymentDesk(db, { ...gateway, ...other }, options)
  }
  return { cluster, ledger, desk }
}

/** As `HttpGateway` takes the ledger's answers. */
function answer(ledger: GatewayLedger, id: string, asked: PaymentRequest, notAfterMs: number): Outcome {
  const decision = ledger.charge(id, asked, notAfterMs)
  const outcome = decision === 'id-in-use' ? ledger.find(id) : decision
  if (outcome === undefined || typeof outcome === 'string') throw new GatewayAway('refused', 1)
  return outcome
}

function losesAnswers(ledger: GatewayLedger): Gateway['charge'] {
  return async (id, asked, notAfterMs) => {
    ledger.charge(id, asked, notAfterMs)
    throw new GatewayAway('the answer is lost', 1)
  }
}

/** As JSON makes objects. */
function plain<Model extends object>(model: { [Name in keyof Model]: fc.Arbitrary<Model[Name]> }): fc.Arbitrary<Model> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<Model>
}

function payment(): fc.Arbitrary<Payment> {
  const asked = plain({
    account: fc.constantFrom('ada', 'bob'),
    amountCents: fc.constantFrom(1, 2),
    reference: fc.constant('order'),
  })
  const outcome = fc.oneof(
    fc.constant(undefined),
    plain({ state: fc.constant('charged' as const), chargeId: fc.constantFrom('c1', 'c2'), request: asked }),
    plain({ state: fc.constant('declined' as const), reason: fc.constant('no cover'), request: asked }),
  )
  return plain({ requests: asked.map((one) => [one]), requestedAtMs: fc.nat(9), outcome })
}
