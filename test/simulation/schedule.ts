import type { StageRequest } from '../../lib/node/node-api.ts'
import type { Ports } from '../../lib/ports/ports.ts'
import type { LayoutTracker } from '../../lib/protocol/layout/layout-document.ts'
import { FrameGate } from '../node/fixtures/frame-gate.ts'
import { type Ended, TestCluster } from '../node/fixtures/test-cluster.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { type FrameAlteration, withFrames } from './alter-frames.ts'
import type { Undo } from './patched.ts'
import { StoredLayouts } from './stored-layout.ts'

/** A rule that is left out. */
export interface Switch {
  readonly patch?: () => Undo
  readonly frames?: FrameAlteration
}

/** How its writes are written. */
export const before = { w: 2, sloppy: false, timeoutMs: 2000 } as const

/** A cluster in which single messages can be held, and what nodes have told of themselves can be waited for. */
export class Schedule extends TestCluster {
  readonly gate: FrameGate
  readonly #layouts = new StoredLayouts(hash)

  constructor(members: readonly string[], off: Switch | undefined) {
    const gate = new FrameGate()
    super(members, {
      change: (settings) => ({
        ...settings,
        hints: false,
        antiEntropy: false,
        readRepair: 'off',
        tombstoneGraceSeconds: 0,
      }),
      wrap: (name, ports) => gate.wrap(name, altered(ports, off)),
    })
    this.gate = gate
  }

  static begun(off: Switch | undefined, members: readonly string[]): Schedule {
    const cluster = new Schedule(members, off)
    for (const name of members) cluster.start(name)
    cluster.awaitReady()
    cluster.join('dan')
    cluster.await('dan is met', () =>
      cluster.names.every((name) => cluster.node(name).status().members.length === members.length + 1),
    )
    return cluster
  }

  live(at: string): readonly number[] {
    return this.node(at).status().layout.live
  }

  /** Stages and commits; dan's own wish to join is replaced by what is asked for. */
  change(at: string, ...requests: readonly StageRequest[]): void {
    this.stage(at, { action: 'clear', node: '' })
    this.world.run(1000)
    for (const request of requests) this.stage(at, request)
    this.world.run(200)
    const answer = this.commit(at)
    if (!answer.decided) throw new Error(`not decided: ${JSON.stringify(answer)}`)
  }

  beginPut(at: string, key: string): () => Ended | undefined {
    let ended: Ended | undefined
    this.begin(at, [this.putRequest(key, 'v', { ...before, timeoutMs: 300_000 })], (_index, end) => {
      ended = end
    })
    return () => ended
  }

  /** Whoever has no answer after half a minute has none. */
  awaitEnd(ended: () => Ended | undefined): Ended {
    this.world.runUntil(() => ended() !== undefined, 30_000)
    return ended() ?? { code: 'deadline-exceeded' }
  }

  connect(a: string, b: string): void {
    for (const link of this.#between(a, b)) link.heal()
  }

  disconnect(a: string, b: string): void {
    for (const link of this.#between(a, b)) link.cut()
  }

  /** Until `name` has said so of itself. */
  awaitTracker(name: string, isSo: (tracker: LayoutTracker) => boolean): void {
    this.await(`${name} is that far`, () => {
      const document = this.#layouts.documentOn(this.world.machine(name).disk)
      const tracker = document?.trackers.get(this.node(name).id as never)
      return tracker !== undefined && isSo(tracker)
    })
  }

  /** Until `name` knows that `of` has handed over everything. */
  awaitKnown(name: string, of: string): void {
    this.await(`${name} knows that ${of} has handed over`, () => {
      const transition = this.node(name).status().transition
      const isPast = transition?.stage === 'switching' || transition?.stage === 'copying'
      return isPast && transition.waitingFor.every((one) => one.name !== of)
    })
  }

  #between(a: string, b: string) {
    const { network } = this.world
    const [one, other] = [this.world.machine(a), this.world.machine(b)]
    return [network.link(one, other), network.link(other, one)]
  }
}

function altered<NodePorts extends Ports>(ports: NodePorts, off: Switch | undefined): NodePorts {
  const streams = off?.frames === undefined ? ports.streams : withFrames(ports, off.frames).streams
  return { ...ports, streams }
}
