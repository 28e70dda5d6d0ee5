import type { Random } from '../vocabulary/random.ts'
import type { Machine } from './machine.ts'

export interface LinkSettings {
  /** The least time on the way, and the mean of what chance adds to it. */
  readonly delayMs: number
  readonly jitterMs: number
  /** Fractions of datagrams; a stream only gets slower by loss. */
  readonly lossChance: number
  readonly duplicateChance: number
  /** The fraction of stream reads that are cut in two at a random place. */
  readonly splitChance: number
}

/** How long TCP waits before it sends again what got lost. */
const retransmissionMs = 200

/** One direction between two machines. */
export class Link {
  readonly from: Machine
  readonly to: Machine
  settings: LinkSettings
  readonly #random: Random
  #isCut = false
  /** Asked when the link is mended: streams that wait to send again. */
  #waiting: (() => void)[] = []
  /** What the faults of this link took, doubled or held back: the proof that they bit. */
  lost = 0
  duplicated = 0
  heldBack = 0

  constructor(from: Machine, to: Machine, settings: LinkSettings, random: Random) {
    this.from = from
    this.to = to
    this.settings = settings
    this.#random = random
  }

  get isCut(): boolean {
    return this.#isCut
  }

  /** Nothing arrives any more, and nobody is told. */
  cut(): void {
    this.#isCut = true
  }

  heal(): void {
    if (!this.#isCut) return
    this.#isCut = false
    this.wakeWaiting()
  }

  whenMended(callback: () => void): void {
    this.heldBack += 1
    this.#waiting.push(callback)
  }

  /** Also called when the machine at the end is there again. */
  wakeWaiting(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const callback of waiting) callback()
  }

  drawDelayMs(): number {
    const fraction = this.#random.fraction()
    return this.settings.delayMs + this.settings.jitterMs * 3 * fraction * fraction
  }

  /** A stream's delay: what is lost is sent again, later each time. */
  drawStreamDelayMs(): number {
    let delayMs = this.drawDelayMs()
    const { lossChance } = this.settings
    if (lossChance > 0) {
      let waitMs = retransmissionMs
      while (waitMs < 2000 && this.#random.fraction() < lossChance) {
        delayMs += waitMs
        waitMs *= 2
      }
    }
    return delayMs
  }

  /** After a mend TCP sends again when its timer happens to fire. */
  drawMendDelayMs(): number {
    return this.#random.fraction() * 5 * retransmissionMs
  }

  drawsLoss(): boolean {
    const isLost = this.#isCut || (this.settings.lossChance > 0 && this.#random.fraction() < this.settings.lossChance)
    if (isLost) this.lost += 1
    return isLost
  }

  drawsDuplicate(): boolean {
    const { duplicateChance } = this.settings
    const isDoubled = duplicateChance > 0 && this.#random.fraction() < duplicateChance
    if (isDoubled) this.duplicated += 1
    return isDoubled
  }

  /** Where to cut `length` bytes in two; 0: nowhere. */
  drawSplit(length: number): number {
    const { splitChance } = this.settings
    return splitChance > 0 && length > 1 && this.#random.fraction() < splitChance ? this.#random.below(length) : 0
  }
}

/** Every machine, and the links between them. */
export class SimulatedNetwork {
  readonly #randomOf: (link: string) => Random
  readonly #machines = new Map<string, Machine>()
  /** By the numbers of both machines. */
  readonly #links: Link[][] = []
  #settings: LinkSettings

  /** `randomOf`: a stream of chance for each link, so that what passes on one shifts nothing on another. */
  constructor(randomOf: (link: string) => Random, settings: LinkSettings) {
    this.#randomOf = randomOf
    this.#settings = settings
  }

  add(machine: Machine): void {
    this.#machines.set(machine.name, machine)
  }

  /** The machine that `host` names, seen from `from`; undefined when there is none. */
  machineOf(host: string, from: Machine): Machine | undefined {
    if (host === '127.0.0.1' || host === 'localhost' || host === '::1' || host === '0.0.0.0' || host === '::')
      return from
    return this.#machines.get(host)
  }

  link(from: Machine, to: Machine): Link {
    let row = this.#links[from.number]
    if (row === undefined) {
      row = []
      this.#links[from.number] = row
    }
    let link = row[to.number]
    if (link === undefined) {
      const settings = from === to ? loopback : this.#settings
      link = new Link(from, to, settings, this.#randomOf(`${from.name}>${to.name}`))
      row[to.number] = link
    }
    return link
  }

  /** Every link between different machines, in both directions. */
  links(): readonly Link[] {
    const links: Link[] = []
    for (const from of this.#machines.values()) {
      for (const to of this.#machines.values()) if (from !== to) links.push(this.link(from, to))
    }
    return links
  }

  /** All links behave like this from now on. */
  setAll(settings: LinkSettings): void {
    this.#settings = settings
    for (const link of this.links()) link.settings = settings
  }

  healAll(): void {
    for (const link of this.links()) link.heal()
  }
}

const loopback: LinkSettings = { delayMs: 0.02, jitterMs: 0.02, lossChance: 0, duplicateChance: 0, splitChance: 0 }
