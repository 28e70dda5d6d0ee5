import type { FastifyInstance } from 'fastify'
import { limitErrors } from '../node/client-gate.ts'
import { type Admitted, overloaded } from '../node/entrance.ts'
import type { Principal } from '../security/principal.ts'
import { StarlingError } from '../vocabulary/errors.ts'
import { DoorLimits, tooManyOthers } from './door-limits.ts'
import type { Edge } from './edge.ts'
import type { Incoming, Outgoing } from './exchange.ts'
import type { OperationMetrics } from './http-metrics.ts'
import { dataPath, KeyDoor } from './key-door.ts'
import { RefusedAtTheDoor } from './refused-at-the-door.ts'
import { resources } from './resources.ts'
import { isOpen } from './route-permission.ts'
import { originForm, routingPath, routingPathOfTemplate } from './target.ts'

/**
 * Turns strangers away, where anybody is asked who they are. Then asks the node, before a request is even routed, whether it may begin; answers 429 where it may not. At three times
 * what a node can serve two of three requests end here, so what they cost decides how many of the others are served.
 * Everything else, such as `/livez`, `/metrics` and what operators ask, comes in always.
 */
export function guardEntrance(server: FastifyInstance['server'], edge: Edge): void {
  const routed = server.listeners('request') as ((incoming: Incoming, outgoing: Outgoing) => void)[]
  server.removeAllListeners('request')
  const route = (incoming: Incoming, outgoing: Outgoing): void => {
    for (const listener of routed) listener.call(server, incoming, outgoing)
  }
  const doors = new Doors(edge)
  const tooMuch = new RefusedAtTheDoor(edge, overloaded())
  const refusals = new Refusals(edge)
  const limits = new DoorLimits(edge)
  const keys = new KeyDoor(edge)
  server.on('request', (incoming: Incoming, outgoing: Outgoing) => {
    const { url = '/', headers, socket } = incoming
    const refuse = (error: StarlingError, retryAfterMs?: number): void =>
      refusals.answer(error, doors.operationOf(incoming), incoming, outgoing, retryAfterMs)
    const tooMany = limits.refusalOfPipeline(incoming, outgoing)
    if (tooMany === 'ignored') return
    if (tooMany !== undefined) return refuse(tooMany)
    if (headers.origin !== undefined && edge.cors.answerPreflight(incoming, outgoing)) return
    const unsafe = limits.refusalOfPage(incoming)
    if (unsafe !== undefined) return refuse(unsafe)
    let asking: Principal | StarlingError | undefined
    if (edge.access.isOn) {
      asking = edge.access.identify(incoming)
      if (asking instanceof StarlingError && !openPaths.has(routingPath(url))) return refuse(asking)
    }
    const isData = isForData(originForm(url))
    const { clients } = edge.node
    const who =
      clients?.isOn === true && (isData || !openPaths.has(routingPath(url))) ? whoIs(asking, socket, edge) : undefined
    const visit = who === undefined ? undefined : clients?.begin(who)
    if (visit !== undefined && 'limit' in visit) return refuse(limitErrors[visit.limit], visit.retryAfterMs)
    if (visit !== undefined) limits.watch(visit, incoming, outgoing)
    if (!isData) {
      if (!limits.mayAskOther(incoming, outgoing, openPaths)) return refuse(tooManyOthers)
      edge.visit = visit
      route(incoming, outgoing)
      edge.visit = undefined
      return
    }
    let isHeard = false
    let heldBytes = 0
    const hears: Admitted = (isAdmitted, waitedMs) => {
      if (isHeard) return
      isHeard = true
      if (heldBytes > 0) edge.bodies.release(heldBytes)
      // Whoever waited may have gone, and behind another request of the same connection only the incoming side shows it.
      if (outgoing.destroyed || incoming.destroyed)
        return doors.operationOf(incoming).record('aborted', waitedMs / 1000)
      if (!isAdmitted) return tooMuch.answer(doors.operationOf(incoming), incoming, outgoing, waitedMs)
      edge.waitedMs = waitedMs
      edge.visit = visit
      if (!keys.answer(incoming, outgoing)) route(incoming, outgoing)
      edge.waitedMs = 0
      edge.visit = undefined
    }
    edge.node.admit(isRead(incoming) ? 'read' : 'write', hears, url, who ?? whoIs(asking, socket, edge))
    if (isHeard) return
    // It stands in line, and what has come of its body with it.
    const bytes = bytesRead(incoming)
    if (bytes === 0) return
    if (edge.bodies.reserve(bytes)) {
      heldBytes = bytes
      return
    }
    isHeard = true
    tooMuch.answer(doors.operationOf(incoming), incoming, outgoing, 0)
  })
}

/** Whom a request counts as: the token it shows, or else the address it comes from. */
function whoIs(asking: Principal | StarlingError | undefined, socket: Incoming['socket'], edge: Edge): string {
  if (asking !== undefined && !(asking instanceof StarlingError)) return asking.id
  return edge.connections.of(socket)?.address ?? ''
}

/** So much of a body Node reads, at most, before anybody asks for it. */
const unaskedBytesMax = 64 * 1024

function bytesRead({ headers }: Incoming): number {
  if (headers['transfer-encoding'] !== undefined) return unaskedBytesMax
  const length = headers['content-length']
  return length === undefined ? 0 : Math.min(Number(length), unaskedBytesMax)
}

function isForData(path: string): boolean {
  return path.startsWith(dataPath) || path.startsWith(batchPath)
}

function isRead({ method }: Incoming): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** What it asks for is admitted piece by piece, but not even the body is read where too much waits already. */
const batchPath = '/v1/batch'

/** Where nobody is asked who they are. Every other path is closed to strangers, also those that are none. */
const openPaths: ReadonlySet<string> = new Set(
  resources
    .flat()
    .filter(({ permission }) => isOpen(permission))
    .map(({ path }) => routingPathOfTemplate(path)),
)

/** Turns away what does not come in: before it is routed, admitted or read. */
class Refusals {
  readonly #edge: Edge
  /** There are as many errors as reasons. */
  readonly #refusals = new Map<StarlingError, RefusedAtTheDoor>()

  constructor(edge: Edge) {
    this.#edge = edge
  }

  answer(
    error: StarlingError,
    operation: OperationMetrics,
    incoming: Incoming,
    outgoing: Outgoing,
    retryAfterMs: number | undefined,
  ): void {
    let refusal = this.#refusals.get(error)
    if (refusal === undefined) {
      refusal = new RefusedAtTheDoor(this.#edge, error)
      this.#refusals.set(error, refusal)
    }
    refusal.answer(operation, incoming, outgoing, 0, retryAfterMs)
  }
}

/** What metrics call that which is not routed. */
class Doors {
  readonly #read: OperationMetrics
  readonly #put: OperationMetrics
  readonly #remove: OperationMetrics
  readonly #batch: OperationMetrics
  readonly #other: OperationMetrics

  constructor({ httpMetrics }: Edge) {
    this.#read = httpMetrics.operation('get')
    this.#put = httpMetrics.operation('put')
    this.#remove = httpMetrics.operation('delete')
    this.#batch = httpMetrics.operation('batch')
    this.#other = httpMetrics.operation('unknown')
  }

  operationOf({ method, url = '' }: Incoming): OperationMetrics {
    if (!isForData(originForm(url))) return this.#other
    return method === 'PUT'
      ? this.#put
      : method === 'DELETE'
        ? this.#remove
        : method === 'POST'
          ? this.#batch
          : this.#read
  }
}
