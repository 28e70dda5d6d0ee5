import type { Visit } from '../node/client-gate.ts'
import { Overloaded, type StarlingError } from '../vocabulary/errors.ts'
import type { Edge } from './edge.ts'
import { type Incoming, type Outgoing, onceGone } from './exchange.ts'
import { healthPaths } from './health-routes.ts'
import { routingPath } from './target.ts'

/** What is asked of a request at the door besides who sends it: whether a page made a browser send it, and how many are there. */
export class DoorLimits {
  readonly #edge: Edge
  readonly #others = { underWay: 0 }
  /** What is open to strangers takes no place of those who may ask for more. */
  readonly #open = { underWay: 0 }

  constructor(edge: Edge) {
    this.#edge = edge
  }

  /** A browser sent it for a page that may not: undefined: no. */
  refusalOfPage(incoming: Incoming): StarlingError | undefined {
    const { cors, hosts, httpMetrics } = this.#edge
    const { headers } = incoming
    if (hosts !== undefined) {
      const problem = hosts.refusal(headers.host)
      if (problem !== undefined) {
        httpMetrics.limitMet('host')
        return problem
      }
    }
    if (headers.origin === undefined) return undefined
    const problem = cors.refusal(incoming)
    if (problem !== undefined) httpMetrics.limitMet('origin')
    return problem
  }

  /**
   * Too many stand behind another request of their connection, each with an answer that nobody reads yet. The first that is
   * too many is told so, and that the connection ends; what stands behind it costs no more than its being read.
   */
  refusalOfPipeline(incoming: Incoming, outgoing: Outgoing): StarlingError | 'ignored' | undefined {
    if (outgoing.socket !== null) return undefined
    const { connections, limits, httpMetrics } = this.#edge
    const connection = connections.of(incoming.socket)
    if (connection === undefined) return undefined
    if (connection.isEnding) return 'ignored'
    connection.pipelined += 1
    onceGone(incoming, outgoing, () => {
      connection.pipelined -= 1
    })
    if (connection.pipelined <= limits.pipelinedMax) return undefined
    httpMetrics.limitMet('pipelinedMax')
    connection.endBehindAnswers()
    connections.misbehaved(incoming.socket, pipelineWeight)
    outgoing.shouldKeepAlive = false
    return tooManyPipelined
  }

  /** False: too much is asked for that is no data. Nobody is kept from asking whether the process lives. */
  mayAskOther(incoming: Incoming, outgoing: Outgoing, openPaths: ReadonlySet<string>): boolean {
    const path = routingPath(incoming.url ?? '/')
    if (healthPaths.has(path)) return true
    const requests = openPaths.has(path) ? this.#open : this.#others
    if (requests.underWay >= this.#edge.limits.otherRequestsMax) {
      this.#edge.httpMetrics.limitMet('otherRequestsMax')
      return false
    }
    requests.underWay += 1
    onceGone(incoming, outgoing, () => {
      requests.underWay -= 1
    })
    return true
  }

  /** When it is over its client is charged with all that has moved on the connection since the last one. */
  watch(visit: Visit, incoming: Incoming, outgoing: Outgoing): void {
    const connection = this.#edge.connections.of(incoming.socket)
    onceGone(incoming, outgoing, () => {
      visit.end()
      if (connection === undefined) return
      const { movedBytes } = connection
      visit.countBytes(movedBytes - connection.chargedBytes)
      connection.chargedBytes = movedBytes
    })
  }
}

/** Those before it were served, or wait. */
const pipelineWeight = 10

export const tooManyOthers = new Overloaded('the node has too many requests that ask for no data', {
  hint: 'The limit is otherRequestsMax, for all clients together. Ask again after the time in Retry-After.',
})
const tooManyPipelined = new Overloaded('too many requests stand behind another one of this connection', {
  hint: 'The limit is pipelinedMax. Wait for answers, or use another connection.',
})
