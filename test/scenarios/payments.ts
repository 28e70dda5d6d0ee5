import { setTimeout as sleep } from 'node:timers/promises'
import { HttpGateway } from '../../examples/payments/gateway.ts'
import { payUntilTold, type Told } from '../../examples/payments/payer.ts'
import type { PaymentRequest } from '../../examples/payments/payment.ts'
import { PaymentDesk } from '../../examples/payments/payment-desk.ts'
import { type GatewayFault, SimulatedGateway } from '../../examples/payments/simulated-gateway.ts'
import { connect } from '../../lib/index.ts'
import { call, eventually } from '../node/fixtures/real-nodes.ts'
import { Cluster } from './kit/cluster.ts'
import type { Lab } from './kit/lab.ts'
import { auditPayments, type Wanted } from './kit/payment-audit.ts'
import { ServiceProcess } from './kit/payment-services.ts'
import type { Scenario } from './kit/scenario.ts'

/** So forgetful that a payer who comes back at the end finds it has forgotten him. */
const memorySeconds = { min: 8, max: 40, share: 1 / 6 }
/** For longer than it remembers: whoever waits has to look what became of his payment before. */
const outageOfMemory = 1.2
const outageFault: GatewayFault[] = ['refused', 'refused', 'answer-lost']
const sweepEverySeconds = 1
const faultShares: readonly (readonly [GatewayFault, number])[] = [
  ['refused', 0.03],
  ['answer-lost', 0.03],
  ['late', 0.01],
]
const clickedTwiceShare = 0.1
const askedAgainShare = 0.1
/** Go away before they are answered, and never come back. */
const goneShare = 0.02
const poorShare = 0.01
const goneAfterMs = 15
const inFlightMax = 32
const patienceMs = 400_000
const finishedWithinMs = 120_000

export const payments: Scenario = {
  name: 'payments',
  summary:
    'kill -9 of nodes and of the payment service of examples/payments, every fifth payment asked for twice: each is charged once, none is lost',
  seconds: 120,
  keys: 10_000,
  run: payThroughKills,
}

type Manner = 'once' | 'clicked-twice' | 'asked-again' | 'gone'

interface Payer {
  readonly id: string
  readonly request: PaymentRequest
  readonly manner: Manner
  readonly told: Told[]
}

async function payThroughKills(lab: Lab): Promise<void> {
  const { seconds, keys: count = 1 } = lab.options
  const cluster = await Cluster.start(lab)
  const memory = Math.min(memorySeconds.max, Math.max(memorySeconds.min, seconds * memorySeconds.share))
  const gateway = await SimulatedGateway.start(memory * 1000, faultOf(lab))
  lab.teardown(() => gateway.stop())
  const services = ['first service', 'second service'].map(
    (name) =>
      new ServiceProcess(lab, name, [
        ...['--peers', cluster.members.map(({ peer }) => peer).join(','), '--gateway', gateway.url],
        ...['--gateway-memory', String(memory), '--sweep-every', String(sweepEverySeconds)],
      ]),
  )
  await Promise.all(services.map((service) => service.start()))
  const urls = (): readonly string[] => services.flatMap(({ url }) => url ?? [])
  const payers = Array.from({ length: count }, (_, index) => payerOf(lab, index))

  lab.say(`${count} payments within about ${seconds} s, through two services and three nodes`)
  const killer = new Killer(lab, cluster, services)
  const startedMs = performance.now()
  const killing = killer.run()
  killing.catch(() => {}) // It is heard of below.
  const outage = gatewayFails(lab, gateway, (seconds / 3) * 1000, outageOfMemory * memory * 1000)
  let visited = 0
  await inTurn(payers, (seconds * 1000) / count, async (payer) => {
    await firstVisit(payer, urls)
    visited += 1
    if (visited % Math.ceil(count / 10) === 0) lab.say(`${visited} of ${count} payers have been here`)
  })
  await outage
  lab.measure('until everybody who waited was told', (performance.now() - startedMs) / 1000, 's')
  await sleep(memory * 1000)
  const again = payers.filter(({ manner }) => manner === 'asked-again')
  lab.say(`the gateway has forgotten them all; ${again.length} payers ask again`)
  await inTurn(again, 0, (payer) => ask(payer, urls))
  await killer.stop()
  await killing
  await cluster.settled()
  lab.say('nobody is killed any more')
  await nothingOpen(lab, cluster)

  const wanted = await recordsOf(lab, cluster, payers)
  const audit = auditPayments(wanted, gateway.ledger.charges)
  const told = payers.flatMap((payer) => payer.told)
  const { asked } = gateway.ledger
  const visits = payers.filter(({ manner }) => manner !== 'once').length
  lab.measure('payments', count, '')
  lab.measure('asked for twice', payers.filter(({ manner }) => manner.includes('-')).length, '')
  lab.measure('whose payer went away at once', payers.filter(({ manner }) => manner === 'gone').length, '')
  lab.measure('of these noted before, and made', wanted.filter(isMadeAlone).length, '')
  lab.measure(
    'requests of payers until they were told',
    told.reduce((sum, { tries }) => sum + tries, 0),
    '',
  )
  lab.measure('kill -9 of a node', killer.nodes, '')
  lab.measure('kill -9 of a service', killer.services, '')
  lab.measure('requests to charge at the gateway', asked.charge, '')
  lab.measure('of them refused, answered too late or not at all', gateway.faults, '')
  lab.measure('of them for what it had done already', asked.repeated, '')
  lab.measure('looked up at the gateway, as it may have forgotten', asked.find, '')
  lab.measure('charges', gateway.ledger.charges.length, '')
  lab.mustHaveSeen('kill -9 of nodes', killer.nodes, 4)
  lab.mustHaveSeen('kill -9 of services', killer.services, 4)
  lab.mustHaveSeen('payments that were asked for twice, or left alone', visits, count / 10)
  lab.mustHaveSeen('charges that the gateway was asked for again', asked.repeated, 1)
  lab.mustHaveSeen('payments that were looked up before they were charged', asked.find, 1)
  lab.claim('nobody was charged twice', audit.double.length === 0, few(audit.double))
  lab.claim('no payment that somebody was told of is lost', audit.lost.length === 0, few(audit.lost))
  lab.claim('all money that moved is in the records', audit.unrecorded.length === 0, few(audit.unrecorded))
  lab.claim('all answers about one payment are the same', audit.contradicted.length === 0, few(audit.contradicted))
  lab.claim('all that was begun was brought to an end', audit.unfinished.length === 0, few(audit.unfinished))
}

function payerOf(lab: Lab, index: number): Payer {
  const chance = lab.fraction()
  const manner: Manner =
    chance < clickedTwiceShare
      ? 'clicked-twice'
      : chance < clickedTwiceShare + askedAgainShare
        ? 'asked-again'
        : chance < clickedTwiceShare + askedAgainShare + goneShare
          ? 'gone'
          : 'once'
  const account = lab.fraction() < poorShare ? 'poor' : `account-${index % 97}`
  const request = { account, amountCents: 100 + Math.floor(lab.fraction() * 10_000), reference: `order-${index}` }
  return { id: `payment-${index}`, request, manner, told: [] }
}

async function firstVisit(payer: Payer, urls: () => readonly string[]): Promise<void> {
  if (payer.manner === 'gone') return lookIn(payer, urls)
  await Promise.all(payer.manner === 'clicked-twice' ? [ask(payer, urls), ask(payer, urls)] : [ask(payer, urls)])
}

async function ask({ id, request, told }: Payer, urls: () => readonly string[]): Promise<void> {
  told.push(await payUntilTold(urls, id, request, patienceMs))
}

/** Asks once, and does not wait for the answer. */
async function lookIn({ id, request }: Payer, urls: () => readonly string[]): Promise<void> {
  const [url] = urls()
  if (url === undefined) return
  const headers = { 'content-type': 'application/json' }
  const signal = AbortSignal.timeout(goneAfterMs)
  await fetch(`${url}/payments/${id}`, { method: 'PUT', headers, body: JSON.stringify(request), signal }).catch(
    () => {},
  )
}

/** Begins one every `everyMs`, later while too many are under way. */
async function inTurn<Item>(items: readonly Item[], everyMs: number, work: (item: Item) => Promise<void>) {
  const startedMs = performance.now()
  const running = new Set<Promise<void>>()
  for (const [index, item] of items.entries()) {
    const waitMs = startedMs + index * everyMs - performance.now()
    if (waitMs > 0) await sleep(waitMs)
    if (running.size >= inFlightMax) await Promise.race(running)
    const one = work(item).finally(() => running.delete(one))
    running.add(one)
  }
  await Promise.all(running)
}

/** Kills a node or a service now and then, at times all of them, and starts again what it killed. */
class Killer {
  nodes = 0
  services = 0
  readonly #lab: Lab
  readonly #cluster: Cluster
  readonly #all: readonly ServiceProcess[]
  readonly #ending = new AbortController()
  #rounds = 0

  constructor(lab: Lab, cluster: Cluster, services: readonly ServiceProcess[]) {
    this.#lab = lab
    this.#cluster = cluster
    this.#all = services
  }

  async run(): Promise<void> {
    // Not before everything has been killed once.
    while ((!this.#ending.signal.aborted || this.#rounds < 4) && !this.#lab.signal.aborted) {
      await sleep(500 + 2000 * this.#lab.fraction(), undefined, { signal: this.#ending.signal }).catch(() => {})
      this.#rounds += 1
      // Every eighth time there is nothing left at all.
      if (this.#rounds % 8 === 4) await this.#killAndStart(this.#cluster.members, this.#all)
      else if (this.#rounds % 2 === 0) await this.#killAndStart([this.#lab.pick(this.#cluster.members)], [])
      else await this.#killAndStart([], [this.#lab.pick(this.#all)])
    }
  }

  async stop(): Promise<void> {
    this.#ending.abort()
  }

  async #killAndStart(nodes: Cluster['members'], services: readonly ServiceProcess[]): Promise<void> {
    this.nodes += nodes.length
    this.services += services.length
    this.#lab.say(`kill -9 of ${[...nodes, ...services].map(({ name }) => name).join(', ')}`)
    await Promise.all([...nodes, ...services].map((victim) => victim.kill()))
    await sleep(200 + 1000 * this.#lab.fraction())
    if (this.#lab.signal.aborted) return
    await Promise.all([...nodes, ...services].map((victim) => victim.start()))
    await Promise.all(nodes.map((node) => node.ready()))
  }
}

/** It is away for a while; some of what it is asked for it does, and nobody hears of it. */
async function gatewayFails(lab: Lab, gateway: SimulatedGateway, afterMs: number, forMs: number): Promise<void> {
  await sleep(afterMs)
  lab.say(`the gateway does not answer for ${forMs / 1000} s`)
  const { fault } = gateway
  gateway.fault = () => lab.pick(outageFault)
  await sleep(forMs)
  gateway.fault = fault
  lab.say('the gateway is back')
}

function faultOf(lab: Lab): () => GatewayFault | undefined {
  return () => {
    let chance = lab.fraction()
    for (const [fault, share] of faultShares) {
      if (chance < share) return fault
      chance -= share
    }
    return undefined
  }
}

/** Until the services have finished what was left behind by those that were killed. */
async function nothingOpen(lab: Lab, cluster: Cluster): Promise<void> {
  const [node] = cluster.members
  const startedMs = performance.now()
  await eventually(
    'every payment that was begun is finished',
    async () => (await call(node as Cluster['members'][number], 'GET', '/v1/kv/open-payments?limit=10')).text,
    (text) => text.includes('"count":0') && text.includes('"complete":true'),
    finishedWithinMs,
  )
  lab.measure('after the last kill nothing was open any more', (performance.now() - startedMs) / 1000, 's')
}

async function recordsOf(lab: Lab, cluster: Cluster, payers: readonly Payer[]): Promise<readonly Wanted[]> {
  const db = await connect(
    cluster.members.map(({ peer }) => peer),
    { session: false, deadlineMs: 10_000 },
  )
  lab.teardown(() => db.close())
  const desk = new PaymentDesk(db, new HttpGateway('http://127.0.0.1:1'), { gatewayMemoryMs: 1, openForMsMin: 0 })
  const wanted: Wanted[] = []
  await inTurn(payers, 0, async ({ id, request, told, manner }) => {
    const record = await desk.find(id)
    if (manner === 'gone' || told.length > 0) wanted.push({ reference: request.reference, told, record })
  })
  return wanted
}

function isMadeAlone({ told, record }: Wanted): boolean {
  return told.length === 0 && record?.outcome !== undefined
}

function few(references: readonly string[]): string {
  return references.length === 0 ? 'none' : `${references.length}: ${references.slice(0, 5).join(', ')}`
}
