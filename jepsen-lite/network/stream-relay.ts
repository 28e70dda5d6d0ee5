import { connect, type Socket } from 'node:net'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import { decodeFrame } from '../../lib/wire/frame.ts'
import type { Frame } from '../../lib/wire/messages.ts'
import { UnreadableBytes } from '../../lib/wire/unreadable-bytes.ts'
import { FrameCutter } from './frame-cutter.ts'
import { Lane } from './lane.ts'
import { ProxiedLink } from './proxied-link.ts'
import type { Timers } from './timers.ts'

export interface RelayParts {
  readonly hash: Hash
  readonly timers: Timers
  /** The name of a node, by the id it says it has. */
  nameOf(nodeId: string): Promise<string | undefined>
  learn(nodeId: string, name: string): void
  link(from: string, to: string): ProxiedLink
}

/** Where a connection leads. */
export interface Target {
  readonly name: string
  readonly host: string
  readonly port: number
}

/**
 * One connection that a node has made to the address another one advertises. The caller is known by its `hello`: until
 * then it waits. While a link between the two is cut no connection comes about, and one that stands falls silent. Clients,
 * and whoever else is no node, pass as if nothing were between.
 */
export class StreamRelay {
  readonly #caller: Socket
  readonly #target: Target
  readonly #parts: RelayParts
  readonly #onClosed: () => void
  #callee: Socket | undefined
  /** Until it is known who calls. */
  #early: Buffer[] = []
  #greeting: FrameCutter | undefined = new FrameCutter()
  #forth: Lane | undefined
  #links: readonly ProxiedLink[] = []
  readonly #tryAgain = (): void => {
    this.#parts.timers.after(this.#links[0]?.drawMendDelayMs() ?? 0, () => this.#connect())
  }

  constructor(caller: Socket, target: Target, parts: RelayParts, onClosed: () => void) {
    this.#caller = caller
    this.#target = target
    this.#parts = parts
    this.#onClosed = onClosed
    caller.on('error', () => undefined)
    caller.on('data', (chunk) => this.#hear(chunk))
    caller.on('end', () => this.#callerEnded())
    caller.on('close', () => this.#callerClosed())
  }

  destroy(): void {
    this.#caller.destroy()
    this.#callee?.destroy()
  }

  #hear(chunk: Buffer): void {
    if (this.#forth !== undefined) return this.#forth.take(chunk)
    this.#early.push(chunk)
    this.#greeting?.cut(chunk, (bytes, type) => {
      if (this.#greeting === undefined) return
      this.#greeting = undefined
      void this.#identify(bytes, type)
    })
  }

  async #identify(bytes: Buffer, type: string): Promise<void> {
    const frame = type === 'hello' ? this.#read(bytes) : undefined
    const nodeId = frame?.kind === 'hello' && frame.message.role === 'peer' ? frame.message.nodeId : undefined
    if (nodeId === undefined) return this.#open(new ProxiedLink(noChance), new ProxiedLink(noChance))
    const name = await this.#parts.nameOf(nodeId)
    if (name === undefined) this.#caller.destroy()
    else this.#open(this.#parts.link(name, this.#target.name), this.#parts.link(this.#target.name, name))
  }

  #open(there: ProxiedLink, back: ProxiedLink): void {
    if (this.#caller.destroyed) return
    const { timers } = this.#parts
    this.#links = [there, back]
    this.#forth = new Lane({ link: there, source: this.#caller, timers })
    for (const chunk of this.#early.splice(0)) this.#forth.take(chunk)
    this.#connect()
  }

  #connect(): void {
    const [there, back] = this.#links
    if (this.#caller.destroyed || there === undefined || back === undefined) return
    const closed = there.isCut ? there : back
    if (closed.isCut) {
      if (closed === back) back.noteHeld()
      return closed.whenMended(this.#tryAgain)
    }
    const { host, port } = this.#target
    const callee = connect({ host, port, noDelay: true, allowHalfOpen: true })
    const toCaller = new Lane({ link: back, source: callee, timers: this.#parts.timers }, (bytes, type) =>
      this.#noteWelcome(bytes, type),
    )
    this.#callee = callee
    toCaller.attach(this.#caller)
    this.#caller.on('close', () => toCaller.kill())
    callee.on('error', () => undefined)
    callee.on('connect', () => this.#forth?.attach(callee))
    callee.on('data', (chunk) => toCaller.take(chunk))
    callee.on('end', () => toCaller.end())
    callee.on('close', () => {
      this.#forth?.kill()
      toCaller.gone()
    })
  }

  #noteWelcome(bytes: Buffer, type: string): void {
    if (type !== 'welcome') return
    const frame = this.#read(bytes)
    if (frame?.kind === 'welcome') this.#parts.learn(frame.message.nodeId, this.#target.name)
  }

  #read(bytes: Buffer): Frame | undefined {
    try {
      return decodeFrame(bytes, 0, bytes.length, this.#parts.hash)
    } catch (error) {
      if (error instanceof UnreadableBytes) return undefined
      throw error
    }
  }

  #callerEnded(): void {
    // Before there is a connection, whoever stops waiting for it has said nothing.
    if (this.#callee === undefined) this.#caller.destroy()
    else this.#forth?.end()
  }

  #callerClosed(): void {
    for (const link of this.#links) link.forget(this.#tryAgain)
    if (this.#callee === undefined) this.#forth?.kill()
    else this.#forth?.gone()
    this.#onClosed()
  }
}

function noChance(): number {
  return 1
}
