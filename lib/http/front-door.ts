import type { FastifyInstance } from 'fastify'
import { overloaded } from '../node/entrance.ts'
import type { Edge } from './edge.ts'
import { Exchange, type Incoming, type Outgoing } from './exchange.ts'
import type { OperationMetrics } from './http-metrics.ts'

/** What asks for the node's data, and so costs what a node under load has too little of. */
const dataPath = '/v1/kv/'

/**
 * Asks the node, before a request is even routed, whether it may begin; answers 429 where it may not. At three times
 * what a node can serve two of three requests end here, so what they cost decides how many of the others are served.
 * Everything else, such as `/livez`, `/metrics` and what operators ask, comes in always.
 */
export function guardEntrance(server: FastifyInstance['server'], edge: Edge): void {
  const routed = server.listeners('request') as ((incoming: Incoming, outgoing: Outgoing) => void)[]
  server.removeAllListeners('request')
  const route = (incoming: Incoming, outgoing: Outgoing): void => {
    for (const listener of routed) listener.call(server, incoming, outgoing)
  }
  const refused = new RefusedAtTheDoor(edge)
  server.on('request', (incoming: Incoming, outgoing: Outgoing) => {
    if (incoming.url?.startsWith(dataPath) !== true) return route(incoming, outgoing)
    edge.node.admit(isRead(incoming) ? 'read' : 'write', (isAdmitted, waitedMs) => {
      if (!isAdmitted) return refused.answer(incoming, outgoing)
      // Whoever waited may have gone.
      if (waitedMs > 0 && outgoing.destroyed) return
      edge.waitedMs = waitedMs
      route(incoming, outgoing)
      edge.waitedMs = 0
    })
  })
}

function isRead({ method }: Incoming): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** The answer is the same each time but for its request id, so it is made once. */
class RefusedAtTheDoor {
  readonly #edge: Edge
  readonly #read: OperationMetrics
  readonly #put: OperationMetrics
  readonly #remove: OperationMetrics
  readonly #error = overloaded()

  constructor(edge: Edge) {
    this.#edge = edge
    this.#read = edge.httpMetrics.operation('get')
    this.#put = edge.httpMetrics.operation('put')
    this.#remove = edge.httpMetrics.operation('delete')
  }

  answer(incoming: Incoming, outgoing: Outgoing): void {
    const operation = isRead(incoming) ? this.#read : incoming.method === 'DELETE' ? this.#remove : this.#put
    new Exchange(this.#edge, operation, incoming, outgoing, incoming.url ?? '').fail(this.#error)
  }
}
