// Seven payments through two services and a gateway with a bad day, all inside this process:
//   node dist/examples/payments/story.js
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startNode } from 'starling-kv'
import { HttpGateway } from './gateway.ts'
import { payUntilTold, type Told } from './payer.ts'
import { paymentService } from './service.ts'
import { type GatewayFault, SimulatedGateway } from './simulated-gateway.ts'

const memoryMs = 60_000
const directory = mkdtempSync(join(tmpdir(), 'starling-payments-'))
const node = await startNode({ data: directory, peer: '127.0.0.1:0', logLevel: 'error' })
const gateway = await SimulatedGateway.start(memoryMs)
const options = { gatewayMemoryMs: memoryMs, sweepEveryMs: 200 }
const services = [1, 2].map(() => paymentService(node.db, new HttpGateway(gateway.url), options))
const urls = await Promise.all(services.map((service) => service.listen({ host: '127.0.0.1', port: 0 })))
try {
  const first = await pay('p1', 'ada', 1250, 'order 1')
  tell(`ada pays order 1: ${first.state} as ${first.chargeId}`, 'order 1')
  const again = await Promise.all([1, 2, 3].map(() => pay('p1', 'ada', 1250, 'order 1')))
  tell(`she presses the button three times more: ${again.map(({ chargeId }) => chargeId).join(', ')}`, 'order 1')

  const clicks = await Promise.all([1, 2, 3, 4].map(() => pay('p2', 'bob', 300, 'order 2')))
  tell(`bob presses it four times at once: ${clicks.map(({ chargeId }) => chargeId).join(', ')}`, 'order 2')

  gateway.fault = once('answer-lost')
  const lost = await pay('p3', 'cyd', 999, 'order 3')
  tell(`the gateway takes cyd's money, and its answer is lost: ${lost.state} as ${lost.chargeId}`, 'order 3')

  gateway.fault = () => 'refused'
  const waiting = pay('p4', 'dan', 4200, 'order 4')
  while (gateway.faults < 4) await new Promise((resolve) => setTimeout(resolve, 10))
  gateway.fault = () => undefined
  tell(`the gateway is out of order while dan pays, and comes back: ${(await waiting).state}`, 'order 4')

  const reused = await pay('p1', 'ada', 9900, 'order 5')
  tell(`ada pays order 5 under the id of her first payment: ${reused.state}`, 'order 5')
  tell(`poor pays order 6: ${(await pay('p6', 'poor', 100, 'order 6')).state}`, 'order 6')
} finally {
  await Promise.all(services.map((service) => service.close()))
  await gateway.stop()
  await node.stop()
  rmSync(directory, { recursive: true, force: true })
}

function pay(id: string, account: string, amountCents: number, reference: string): Promise<Told> {
  return payUntilTold(() => urls, id, { account, amountCents, reference }, 30_000)
}

function tell(sentence: string, reference: string): void {
  const count = gateway.ledger.charges.filter(({ request }) => request.reference === reference).length
  console.log(`${sentence}; money moved ${count === 0 ? 'never' : count === 1 ? 'once' : `${count} times`}`)
}

function once(fault: GatewayFault): () => GatewayFault | undefined {
  let left = 1
  return () => (left-- > 0 ? fault : undefined)
}
