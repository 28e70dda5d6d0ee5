import { rmSync } from 'node:fs'
import { type DemoNode, planDemo } from '../../../lib/cli/demo/demo-node.ts'
import { portsInUse } from '../../../lib/cli/demo/ports-in-use.ts'
import {
  call,
  eventually,
  json,
  NodeProcess,
  type Reachable,
  ready,
  type Surroundings,
} from '../../node/fixtures/real-nodes.ts'
import type { Lab } from './lab.ts'

/** Below what the system hands out by itself, so that no connection of anybody takes a port while its node is down. */
const firstPortMin = 15_000
const firstPortMax = 32_000
const placesTriedMax = 50
const readyMsMax = 120_000
const stagedMsMax = 30_000

export interface ClusterOptions {
  readonly flags?: readonly string[]
  readonly size?: number
  /** Where the nodes' directories are made; by default in the lab's. */
  readonly data?: (name: string) => string
  readonly surroundings?: (name: string) => Surroundings
}

/** One node as an operator has it: a directory, addresses, and a process that may run or not. */
export class Member implements Reachable {
  readonly name: string
  readonly http: string
  readonly peer: string
  readonly data: string
  surroundings: Surroundings
  readonly #lab: Lab
  readonly #flags: readonly string[]
  #process: NodeProcess | undefined
  /** Logs of earlier processes. */
  #earlierLog = ''

  constructor(lab: Lab, plan: DemoNode, data: string, flags: readonly string[], surroundings: Surroundings) {
    this.name = plan.name
    this.http = `127.0.0.1:${plan.httpPort}`
    this.peer = `127.0.0.1:${plan.peerPort}`
    this.data = data
    this.surroundings = surroundings
    this.#lab = lab
    const words = plan.words.slice(1).map((word) => (word === plan.data ? data : word))
    this.#flags = ['--log-level', 'info', '--partitions', '1024', ...words, ...flags]
  }

  /** Resolves when the process listens; what the node is by then, `/readyz` says. */
  async start(extraFlags: readonly string[] = []): Promise<void> {
    this.#process = await NodeProcess.start(this.#lab, [...this.#flags, ...extraFlags], this.surroundings)
  }

  /** What it is called for life. An emptied node finds its place by its name, some time after it is ready. */
  async id(): Promise<string> {
    return String((await json(this, '/v1/node')).id)
  }

  get pid(): number {
    return this.#running().pid
  }

  get isRunning(): boolean {
    return this.#process?.isRunning === true
  }

  /** The log of all its processes, oldest first. */
  get log(): string {
    return this.#earlierLog + (this.#process?.log ?? '')
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    await this.#running().kill()
    this.#forget()
  }

  /** SIGTERM: it finishes what runs and says goodbye. @returns its exit code */
  async stop(): Promise<number | null> {
    this.#running().signal('SIGTERM')
    const { code } = await this.#running().ended
    this.#forget()
    return code
  }

  /** It ends by itself. @returns its exit code */
  async ends(limitMs: number): Promise<number | null> {
    const { isRunning } = await eventually(
      `${this.name} ends by itself`,
      async () => ({ isRunning: this.isRunning }),
      (seen) => !seen.isRunning,
      limitMs,
    )
    if (isRunning) throw new Error(`${this.name} runs`)
    const { code } = await this.#running().ended
    this.#forget()
    return code
  }

  /** It sleeps, with its sockets open, until `resume`. */
  pause(): void {
    this.#running().signal('SIGSTOP')
  }

  resume(): void {
    this.#running().signal('SIGCONT')
  }

  /** The disk is lost, or somebody emptied it; the process must not run. */
  emptyData(): void {
    if (this.isRunning) throw new Error(`${this.name} runs`)
    rmSync(this.data, { recursive: true, force: true })
  }

  async isReady(): Promise<boolean> {
    return (await call(this, 'GET', '/readyz')).status === 200
  }

  /** Until `/readyz` says 200. @returns when that was, by `performance.now()` */
  async ready(): Promise<number> {
    await eventually(
      `${this.name} is ready`,
      async () => {
        if (!this.isRunning) throw new Error(`${this.name} ended by itself: ${this.log.slice(-2000)}`)
        return call(this, 'GET', '/readyz')
      },
      ({ status }) => status === 200,
      readyMsMax,
    )
    return performance.now()
  }

  /** The sum of a metric over all series that have these labels. 0 if there is none. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const { text } = await call(this, 'GET', '/metrics')
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .filter((line) => wanted.every((label) => line.includes(label)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  }

  async recoveringPartitions(): Promise<number> {
    return Number((await json(this, '/v1/node')).recoveringPartitions)
  }

  /** What this node calls the state of another. */
  async stateOf(other: Member): Promise<string | undefined> {
    const { members } = await json(this, '/v1/cluster/status')
    return (members as readonly { name: string; state: string }[]).find(({ name }) => name === other.name)?.state
  }

  #running(): NodeProcess {
    if (this.#process === undefined) throw new Error(`${this.name} does not run`)
    return this.#process
  }

  #forget(): void {
    this.#earlierLog = this.log
    this.#process = undefined
  }
}

/** Real processes of `starling start` on loopback, with one layout. */
export class Cluster {
  readonly #lab: Lab
  readonly #flags: readonly string[]
  #members: readonly Member[]
  /** Names are given once. */
  #named: number

  private constructor(lab: Lab, members: readonly Member[], flags: readonly string[]) {
    this.#lab = lab
    this.#flags = flags
    this.#members = members
    this.#named = members.length
  }

  /** All that were started, but for those that were dismissed. */
  get members(): readonly Member[] {
    return this.#members
  }

  /** Those whose process runs. */
  get running(): readonly Member[] {
    return this.#members.filter(({ isRunning }) => isRunning)
  }

  /** Resolves when all members see each other alive and would be sent requests. */
  static async start(lab: Lab, options: ClusterOptions = {}): Promise<Cluster> {
    const { size = 3, flags = [], data, surroundings = () => ({}) } = options
    const plan = await freePlaces(size, lab.directory)
    const members = plan.map(
      (node) => new Member(lab, node, data?.(node.name) ?? node.data, flags, surroundings(node.name)),
    )
    for (const member of members) lab.logs.set(member.name, () => member.log)
    await Promise.all(members.map((member) => member.start()))
    await unlessOneEnds(members, ready(members, members.length, readyMsMax))
    lab.say(`${size} nodes run${flags.length === 0 ? '' : ` with ${flags.join(' ')}`}`)
    return new Cluster(lab, members, flags)
  }

  /** Starts so many more with `--join` alone, which owns nothing until a plan with it is committed; all see them alive. */
  async add(count: number): Promise<readonly Member[]> {
    const peers = this.running.map(({ peer }) => peer).join(',')
    const places = await freePlaces(count, this.#lab.directory)
    const added = places.map(({ httpPort, peerPort }) => {
      this.#named += 1
      const name = `n${this.#named}`
      const data = `${this.#lab.directory}/${name}`
      const addresses = ['--http', `127.0.0.1:${httpPort}`, '--peer', `127.0.0.1:${peerPort}`]
      const words = ['start', '--name', name, ...addresses, '--data', data, '--join', peers]
      const plan: DemoNode = { name, httpPort, peerPort, data, log: '', words }
      return new Member(this.#lab, plan, data, this.#flags, {})
    })
    for (const member of added) this.#lab.logs.set(member.name, () => member.log)
    await Promise.all(added.map((member) => member.start()))
    this.#members = [...this.#members, ...added]
    for (const member of added) await this.seesAs(member, ['alive'])
    const names = added.map(({ name }) => name)
    for (const member of this.running) {
      await eventually(
        `${member.name} knows that ${names.join(' and ')} would join`,
        async () => (await json(member, '/v1/cluster/plan')).staged as readonly { readonly name: string }[],
        (staged) => names.every((name) => staged.some((change) => change.name === name)),
        stagedMsMax,
      )
    }
    return added
  }

  /** It is not spoken of any more. */
  dismiss(member: Member): void {
    this.#members = this.others(member)
  }

  others(...members: readonly Member[]): readonly Member[] {
    return this.members.filter((member) => !members.includes(member))
  }

  /** Until every other node says so of `member`. */
  async seesAs(member: Member, states: readonly string[]): Promise<void> {
    await Promise.all(
      this.others(member)
        .filter(({ isRunning }) => isRunning)
        .map((other) =>
          eventually(
            `${other.name} sees ${member.name} ${states.join(' or ')}`,
            () => other.stateOf(member),
            (state) => state !== undefined && states.includes(state),
            readyMsMax,
          ),
        ),
    )
    this.#lab.say(`${member.name} is seen ${states.join(' or ')}`)
  }

  /** Until all run, see each other alive, and nothing recovers any more. */
  async settled(): Promise<void> {
    await Promise.all(this.members.map((member) => member.ready()))
    await unlessOneEnds(this.members, ready(this.members, this.members.length, readyMsMax))
  }
}

/** Does not wait for a process that has ended by itself. */
async function unlessOneEnds(members: readonly Member[], promise: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const ended = new Promise<never>((_resolve, reject) => {
    timer = setInterval(() => {
      const gone = members.find(({ isRunning }) => !isRunning)
      if (gone !== undefined) reject(new Error(`${gone.name} ended by itself: ${gone.log.slice(-2000)}`))
    }, 200)
  })
  try {
    await Promise.race([promise, ended])
  } finally {
    clearInterval(timer)
  }
}

/** By chance and not from the seed: two runs at once must not look for the same places. */
export async function freePlaces(size: number, directory: string): Promise<readonly DemoNode[]> {
  for (let tried = 0; tried < placesTriedMax; tried += 1) {
    const firstPort = firstPortMin + Math.floor(Math.random() * (firstPortMax - firstPortMin))
    const plan = planDemo(size, firstPort, directory)
    if ((await portsInUse(plan)).length === 0) return plan
  }
  throw new Error(`no free ports between ${firstPortMin} and ${firstPortMax}`)
}
