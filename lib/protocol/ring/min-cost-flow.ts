import { invariant } from '../../vocabulary/invariant.ts'

/**
 * A flow network with small integer costs. Arcs lie in pairs: arc a and its reverse a ^ 1.
 * The flow it is built with must be a cheapest one for its amount (no negative cycle in the residual network).
 */
export class FlowNetwork {
  readonly #to: Int32Array
  readonly #room: Int32Array
  readonly #cost: Int8Array
  /** The next arc out of the same vertex; -1 at the end. */
  readonly #next: Int32Array
  readonly #first: Int32Array
  #arcCount = 0

  constructor(vertexCount: number, edgesMax: number) {
    this.#to = new Int32Array(edgesMax * 2)
    this.#room = new Int32Array(edgesMax * 2)
    this.#cost = new Int8Array(edgesMax * 2)
    this.#next = new Int32Array(edgesMax * 2)
    this.#first = new Int32Array(vertexCount).fill(-1)
  }

  /** Adds an edge that already carries `flow` of its `capacity`; the number returned asks for its flow later. */
  addEdge(from: number, to: number, capacity: number, cost: number, flow: number): number {
    invariant(flow >= 0 && flow <= capacity, 'an edge carries no more than it can', { capacity, flow })
    const edge = this.#arcCount
    this.#addArc(from, to, capacity - flow, cost)
    this.#addArc(to, from, flow, -cost)
    return edge
  }

  flowOf(edge: number): number {
    return this.#room[edge ^ 1] as number
  }

  /**
   * Raises the flow from `source` to `sink` to the maximum, at the least cost. Returns by how much it rose.
   *
   * Successive shortest paths, all paths of one length together: the arcs that lie on cheapest paths are searched for
   * a maximum flow of their own (Dinic), then the cost rises. (Ahuja, Magnanti, Orlin: Network Flows, §9.7–9.8.)
   */
  augment(source: number, sink: number): number {
    const distance = new Int32Array(this.#first.length)
    let raised = 0
    while (this.#findCheapestPaths(source, sink, distance)) raised += this.#fillCheapest(source, sink, distance)
    return raised
  }

  #addArc(from: number, to: number, room: number, cost: number): void {
    const arc = this.#arcCount
    this.#arcCount += 1
    this.#to[arc] = to
    this.#room[arc] = room
    this.#cost[arc] = cost
    this.#next[arc] = this.#first[from] as number
    this.#first[from] = arc
  }

  /** Bellman-Ford with a queue: costs may be negative, negative cycles cannot be. */
  #findCheapestPaths(source: number, sink: number, distance: Int32Array): boolean {
    const vertexCount = this.#first.length
    const queue = new Int32Array(vertexCount)
    const isQueued = new Uint8Array(vertexCount)
    distance.fill(unreached)
    distance[source] = 0
    queue[0] = source
    let head = 0
    let waiting = 1
    while (waiting > 0) {
      const vertex = queue[head] as number
      head = head + 1 === vertexCount ? 0 : head + 1
      waiting -= 1
      isQueued[vertex] = 0
      for (let arc = this.#first[vertex] as number; arc !== -1; arc = this.#next[arc] as number) {
        if (this.#room[arc] === 0) continue
        const to = this.#to[arc] as number
        const reached = (distance[vertex] as number) + (this.#cost[arc] as number)
        if (reached >= (distance[to] as number)) continue
        distance[to] = reached
        if (isQueued[to] === 1) continue
        isQueued[to] = 1
        const tail = head + waiting
        queue[tail >= vertexCount ? tail - vertexCount : tail] = to
        waiting += 1
      }
    }
    return distance[sink] !== unreached
  }

  #fillCheapest(source: number, sink: number, distance: Int32Array): number {
    const level = new Int32Array(this.#first.length)
    let raised = 0
    while (this.#levels(source, sink, distance, level)) raised += this.#block(source, sink, distance, level)
    return raised
  }

  /** Steps from the source over arcs of cheapest paths; without it a search would wander along cycles of cost 0. */
  #levels(source: number, sink: number, distance: Int32Array, level: Int32Array): boolean {
    const queue = new Int32Array(this.#first.length)
    level.fill(-1)
    level[source] = 0
    queue[0] = source
    let found = 1
    for (let head = 0; head < found; head += 1) {
      const vertex = queue[head] as number
      for (let arc = this.#first[vertex] as number; arc !== -1; arc = this.#next[arc] as number) {
        const to = this.#to[arc] as number
        if (level[to] !== -1 || this.#room[arc] === 0) continue
        if (distance[to] !== (distance[vertex] as number) + (this.#cost[arc] as number)) continue
        level[to] = (level[vertex] as number) + 1
        queue[found] = to
        found += 1
      }
    }
    return level[sink] !== -1
  }

  /** Depth first, one unit at a time, never trying an arc twice. */
  #block(source: number, sink: number, distance: Int32Array, level: Int32Array): number {
    const untried = this.#first.slice()
    const path = new Int32Array(this.#first.length)
    let length = 0
    let vertex = source
    let raised = 0
    for (;;) {
      if (vertex === sink) {
        for (let step = 0; step < length; step += 1) {
          const arc = path[step] as number
          this.#room[arc] = (this.#room[arc] as number) - 1
          this.#room[arc ^ 1] = (this.#room[arc ^ 1] as number) + 1
        }
        raised += 1
        length = 0
        vertex = source
        continue
      }
      const arc = this.#usableArc(vertex, distance, level, untried)
      if (arc !== -1) {
        path[length] = arc
        length += 1
        vertex = this.#to[arc] as number
        continue
      }
      if (vertex === source) return raised
      length -= 1
      const back = path[length] as number
      vertex = this.#to[back ^ 1] as number
      untried[vertex] = this.#next[back] as number
    }
  }

  #usableArc(vertex: number, distance: Int32Array, level: Int32Array, untried: Int32Array): number {
    let arc = untried[vertex] as number
    while (arc !== -1) {
      const to = this.#to[arc] as number
      const isUsable =
        this.#room[arc] !== 0 &&
        level[to] === (level[vertex] as number) + 1 &&
        distance[to] === (distance[vertex] as number) + (this.#cost[arc] as number)
      if (isUsable) break
      arc = this.#next[arc] as number
    }
    untried[vertex] = arc
    return arc
  }
}

const unreached = 0x3fff_ffff
