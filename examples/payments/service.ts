import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { type Database, StarlingError } from 'starling-kv'
import { type Gateway, GatewayAway } from './gateway.ts'
import type { Outcome, PaymentRequest } from './payment.ts'
import { IdReused, PaymentDesk } from './payment-desk.ts'

export interface ServiceOptions {
  readonly gatewayMemoryMs: number
  /** How often it looks for payments that nobody finishes, in milliseconds. */
  readonly sweepEveryMs: number
}

const paymentSchema = {
  type: 'object',
  required: ['account', 'amountCents', 'reference'],
  additionalProperties: false,
  properties: {
    account: { type: 'string', minLength: 1, maxLength: 64 },
    amountCents: { type: 'integer', minimum: 1, maximum: 100_000_000 },
    reference: { type: 'string', minLength: 1, maxLength: 64 },
  },
} as const

const idSchema = { type: 'object', properties: { id: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' } } } as const

type WithId = { Params: { id: string } }

/**
 * Payments over HTTP. `PUT /payments/ID` may be repeated as often as the payer likes, through any number of services:
 * the id is the payer's, and makes it one payment.
 *
 * | status | meaning |
 * | --- | --- |
 * | 200 | charged |
 * | 402 | declined |
 * | 202 | noted, and made when the gateway is back; ask again to hear of it |
 * | 422 | the id belongs to another payment |
 * | 503 | ask again: it may have been noted, or not |
 */
export function paymentService(db: Database, gateway: Gateway, options: ServiceOptions): FastifyInstance {
  const { gatewayMemoryMs, sweepEveryMs } = options
  const desk = new PaymentDesk(db, gateway, { gatewayMemoryMs, openForMsMin: sweepEveryMs })
  const app = fastify()
  app.setErrorHandler((error, _request, reply) => answerError(reply, error))

  app.put<WithId & { Body: PaymentRequest }>(
    '/payments/:id',
    { schema: { params: idSchema, body: paymentSchema } },
    async ({ params: { id }, body }, reply) => {
      const { outcome } = await desk.pay(id, body)
      return answer(reply, id, outcome)
    },
  )

  app.get<WithId>('/payments/:id', { schema: { params: idSchema } }, async ({ params: { id } }, reply) => {
    const payment = await desk.find(id)
    if (payment === undefined) return reply.code(404).send({ id, problem: 'unknown' })
    return answer(reply, id, payment.outcome)
  })

  const ending = new AbortController()
  let sweep: Promise<unknown> = Promise.resolve()
  const timer = setInterval(() => {
    // Whatever is left over is looked for again next time.
    sweep = sweep.then(() => desk.settleOpen({ signal: ending.signal })).catch(() => undefined)
  }, sweepEveryMs)
  app.addHook('onClose', async () => {
    clearInterval(timer)
    ending.abort()
    await sweep
  })
  return app
}

function answer(reply: FastifyReply, id: string, outcome: Outcome | undefined): FastifyReply {
  if (outcome === undefined) return reply.code(202).header('retry-after', '1').send({ id, state: 'open' })
  if (outcome.state === 'declined') return reply.code(402).send({ id, state: 'declined', reason: outcome.reason })
  const { chargeId, request } = outcome
  return reply.code(200).send({ id, state: 'charged', chargeId, ...request })
}

function answerError(reply: FastifyReply, error: unknown): FastifyReply {
  if (error instanceof GatewayAway) {
    return reply.code(202).header('retry-after', seconds(error.retryAfterMs)).send({ state: 'open' })
  }
  if (error instanceof IdReused) return reply.code(422).send({ problem: error.message })
  if (error instanceof StarlingError) {
    return reply.code(503).header('retry-after', '1').send({ problem: error.code, aftermath: error.aftermath })
  }
  const { statusCode = 500, message } = error as Error & { readonly statusCode?: number }
  return reply.code(statusCode).send({ problem: statusCode < 500 ? message : 'a bug of ours' })
}

function seconds(ms: number): string {
  return String(Math.max(1, Math.ceil(ms / 1000)))
}
