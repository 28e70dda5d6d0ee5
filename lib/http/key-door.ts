import type { Edge } from './edge.ts'
import type { Incoming, Outgoing } from './exchange.ts'
import type { OperationMetrics } from './http-metrics.ts'
import { keyRoutes } from './key-routes.ts'
import { answerWith, type Route } from './route.ts'

/** What asks for the node's data, and so costs what a node under load has too little of. */
export const dataPath = '/v1/kv/'

/**
 * The shortest way to the routes of one key, which are most of what a node answers: they need neither a router nor
 * the request and reply that fastify makes of each request. Fastify knows them too, and answers whatever else is asked of
 * such a path.
 */
export class KeyDoor {
  readonly #edge: Edge
  readonly #routes = new Map<string, { readonly route: Route; readonly operation: OperationMetrics }>()

  constructor(edge: Edge) {
    this.#edge = edge
    for (const route of keyRoutes) {
      const operation = edge.httpMetrics.operation(route.countedAs ?? route.operation)
      this.#routes.set(route.method, { route, operation })
    }
  }

  /** @returns false: this is no request for one key */
  answer(incoming: Incoming, outgoing: Outgoing): boolean {
    const target = incoming.url ?? ''
    const found = this.#routes.get(incoming.method ?? '')
    if (found === undefined || !namesKey(target)) return false
    answerWith(this.#edge, found.route, found.operation, incoming, outgoing, target)
    return true
  }
}

/** Whether the path is `/v1/kv/{bucket}/{key}`, whatever the two are. */
function namesKey(target: string): boolean {
  if (!target.startsWith(dataPath)) return false
  const slash = target.indexOf('/', dataPath.length)
  if (slash === -1) return false
  const question = target.indexOf('?', dataPath.length)
  return question === -1 || slash < question
}
