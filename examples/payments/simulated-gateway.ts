import { setTimeout as sleep } from 'node:timers/promises'
import fastify, { type FastifyInstance } from 'fastify'
import { GatewayLedger } from './gateway-ledger.ts'
import type { PaymentRequest } from './payment.ts'

/** What goes wrong with one request: refused before anything was done, its answer lost, or its answer late. */
export type GatewayFault = 'refused' | 'answer-lost' | 'late'

const lateMs = 3_000

/** A gateway over HTTP, at times away; now and then it takes the money and its answer is lost. */
export class SimulatedGateway {
  readonly ledger: GatewayLedger
  /** Asked for each request to charge. */
  fault: () => GatewayFault | undefined
  faults = 0
  readonly #app: FastifyInstance = fastify({ forceCloseConnections: true })
  #url = ''

  private constructor(ledger: GatewayLedger, fault: () => GatewayFault | undefined) {
    this.ledger = ledger
    this.fault = fault
    this.#app.post<{ Body: PaymentRequest & { notAfterMs: number } }>('/charges', async ({ headers, body }, reply) => {
      const { notAfterMs, ...request } = body
      const fault = this.fault()
      if (fault !== undefined) this.faults += 1
      if (fault === 'refused') return reply.code(503).send({ problem: 'out of order' })
      const decision = ledger.charge(String(headers['idempotency-key']), request, notAfterMs)
      if (fault === 'late') await sleep(lateMs)
      if (fault === 'answer-lost') return reply.raw.destroy()
      if (decision === 'too-late') return reply.code(410).send({ problem: 'too late' })
      if (decision === 'id-in-use') return reply.code(422).send({ problem: 'the id is in use' })
      return decision
    })
    this.#app.get<{ Params: { id: string } }>('/charges/:id', async ({ params: { id } }, reply) => {
      return ledger.find(id) ?? reply.code(404).send({ problem: 'unknown' })
    })
  }

  /** @param memoryMs how long it knows an id */
  static async start(memoryMs: number, fault?: () => GatewayFault | undefined): Promise<SimulatedGateway> {
    const gateway = new SimulatedGateway(new GatewayLedger(memoryMs), fault ?? (() => undefined))
    gateway.#url = await gateway.#app.listen({ host: '127.0.0.1', port: 0 })
    return gateway
  }

  get url(): string {
    return this.#url
  }

  async stop(): Promise<void> {
    await this.#app.close()
  }
}
