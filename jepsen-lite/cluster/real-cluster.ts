import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { eventually, ready, within } from '../../test/node/fixtures/real-nodes.ts'
import type { Preparation, StageNode } from '../nemesis.ts'
import type { Network, Place } from '../network/network.ts'
import type { RunScope } from '../run-scope.ts'
import { bucket } from '../values.ts'
import { Member } from './member.ts'
import { starling } from './program.ts'

const startMsMax = 60_000
const readyMsMax = 120_000
const stagedMsMax = 30_000
const inForceMsMax = 30_000

export interface ClusterParts {
  readonly network: Network
  readonly size: number
  readonly flags: readonly string[]
}

/** Real processes of `starling start`, with one layout, in the places that a network has for them. */
export class RealCluster {
  readonly #scope: RunScope
  readonly #parts: ClusterParts
  #preparation: Preparation = {}
  #members: Member[] = []
  /** Those that have left, whose logs are kept. */
  readonly #dismissed: Member[] = []
  /** Names are given once. */
  #named = 0

  constructor(scope: RunScope, parts: ClusterParts) {
    this.#scope = scope
    this.#parts = parts
    mkdirSync(join(scope.directory, 'logs'), { recursive: true })
    mkdirSync(join(scope.directory, 'data'), { recursive: true })
  }

  /** All that there are meant to be, running or not. */
  get members(): readonly Member[] {
    return this.#members
  }

  /** Those that have left, too. */
  get everyMember(): readonly Member[] {
    return [...this.#members, ...this.#dismissed]
  }

  get running(): readonly Member[] {
    return this.#members.filter(({ isRunning }) => isRunning)
  }

  /** Resolves when all members see each other alive and would be sent requests. */
  async start(preparation: Preparation): Promise<void> {
    this.#preparation = preparation
    const places: { readonly name: string; readonly place: Place }[] = []
    for (let count = 0; count < this.#parts.size; count += 1) places.push(await this.#nextPlace())
    this.#members = places.map(({ name, place }) => {
      const others = places.filter((other) => other.name !== name).map((other) => other.place.joinAddress)
      const join = others.length === 0 ? [] : ['--join', others.join(',')]
      return this.#member(name, place, ['--expect', String(places.length), ...join])
    })
    await Promise.all(this.#members.map((member) => startWithin(member)))
    await ready(this.#members, this.#members.length, readyMsMax)
    this.#scope.say(`${this.#members.map(({ name }) => name).join(', ')} are ready`)
  }

  /** Sets the bucket's properties; resolves when they are in force at every node. */
  async setBucket(properties: Readonly<Record<string, unknown>>): Promise<void> {
    const [first] = this.#members
    if (first === undefined) throw new Error('there is a node')
    const path = `/v1/buckets/${bucket}`
    const response = await fetch(`http://${first.http}${path}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(properties),
      signal: AbortSignal.timeout(10_000),
    })
    if (!response.ok) throw new Error(`the bucket is not set: ${await response.text()}`)
    for (const member of this.#members) {
      await eventually(
        `what is set for the bucket is in force at ${member.name}`,
        () => member.json(path).catch(() => undefined),
        (properties) => Number(properties?.version ?? 0) > 0,
        inForceMsMax,
      )
    }
  }

  /** See `Stage`. */
  async addNode(): Promise<Member> {
    const join = this.running.map(({ joinAddress }) => joinAddress).join(',')
    const { name, place } = await this.#nextPlace()
    const added = this.#member(name, place, ['--join', join])
    await startWithin(added)
    this.#members = [...this.#members, added]
    for (const member of this.running) {
      await eventually(
        `${member.name} knows that ${name} would join`,
        async () => (member.isRunning ? stagedBy(member) : [{ name }]),
        (staged) => staged.some((change) => change.name === name),
        stagedMsMax,
      )
    }
    this.#scope.say(`${name} was started and would join`)
    return added
  }

  /** See `Stage`. */
  async dismiss(node: StageNode): Promise<void> {
    const member = this.#members.find(({ name }) => name === node.name)
    if (member === undefined) return
    this.#members = this.#members.filter((other) => other !== member)
    this.#dismissed.push(member)
    await member.kill()
    this.#scope.say(`${member.name} is dismissed`)
  }

  cli(words: readonly string[]): Promise<string> {
    const http = this.running.map((member) => member.http)
    return starling(words, http, this.#scope.signal)
  }

  /** @returns the names of those that had ended by themselves since they were started last */
  async startMissing(): Promise<readonly string[]> {
    const down = this.#members.filter(({ isRunning }) => !isRunning)
    const fallen = down.filter(({ hasEndedByItself }) => hasEndedByItself).map(({ name }) => name)
    await Promise.all(down.map((member) => startWithin(member)))
    if (down.length > 0) this.#scope.say(`started again: ${down.map(({ name }) => name).join(', ')}`)
    return fallen
  }

  /** Ends every process and writes down what they logged. */
  async stop(): Promise<void> {
    await Promise.all(this.everyMember.map((member) => member.stop()))
    for (const member of this.everyMember) member.writeLog()
  }

  async #nextPlace(): Promise<{ readonly name: string; readonly place: Place }> {
    this.#named += 1
    const name = `n${this.#named}`
    return { name, place: await this.#parts.network.place(name) }
  }

  #member(name: string, place: Place, words: readonly string[]): Member {
    const { directory } = this.#scope
    return new Member(this.#scope, {
      name,
      place,
      data: this.#preparation.data?.(name) ?? join(directory, 'data', name),
      flags: [...this.#parts.flags, ...words],
      surroundings: this.#preparation.surroundings?.(name) ?? {},
      logFile: join(directory, 'logs', `${name}.log`),
    })
  }
}

async function stagedBy(member: Member): Promise<readonly { readonly name: string }[]> {
  const plan = await member.json('/v1/cluster/plan').catch(() => undefined)
  return (plan?.staged ?? []) as readonly { readonly name: string }[]
}

/** @throws Error when it does not listen in time, or ends */
async function startWithin(member: Member): Promise<void> {
  await within(startMsMax, `${member.name} listens`, member.start())
}
