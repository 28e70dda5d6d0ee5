import { readResources } from '../systems/process-resources.ts'

/** The most that a set of servers held while it was watched. */
export interface Held {
  /** Of its own memory, the largest of the processes. */
  readonly anonBytesMax: number
  /** Requests in line at one node, as its metrics say. */
  readonly waitingMax: number
  /** How long `/livez` took at most; a node under load still answers who looks after it. */
  readonly livezMsMax: number
}

const everyMs = 250

/** Looks at processes and their metrics until it is stopped. */
export class Watch {
  readonly #pids: readonly number[]
  readonly #ports: readonly number[]
  readonly #timer: NodeJS.Timeout
  #held: Held = { anonBytesMax: 0, waitingMax: 0, livezMsMax: 0 }

  constructor(pids: readonly number[], ports: readonly number[]) {
    this.#pids = pids
    this.#ports = ports
    this.#timer = setInterval(() => void this.#look(), everyMs)
  }

  stop(): Held {
    clearInterval(this.#timer)
    return this.#held
  }

  async #look(): Promise<void> {
    for (const pid of this.#pids) this.#note({ anonBytesMax: readResources(pid).anonBytes })
    for (const port of this.#ports) {
      const beganMs = performance.now()
      const isLive = await fetch(`http://127.0.0.1:${port}/livez`).then(
        async (answer) => {
          await answer.arrayBuffer()
          return answer.ok
        },
        () => false,
      )
      if (isLive) this.#note({ livezMsMax: performance.now() - beganMs })
      this.#note({ waitingMax: await metricOf(port, 'starling_requests_waiting') })
    }
  }

  #note(seen: Partial<Held>): void {
    const held = this.#held
    this.#held = {
      anonBytesMax: Math.max(held.anonBytesMax, seen.anonBytesMax ?? 0),
      waitingMax: Math.max(held.waitingMax, seen.waitingMax ?? 0),
      livezMsMax: Math.max(held.livezMsMax, seen.livezMsMax ?? 0),
    }
  }
}

/** 0 where it cannot be had. */
export async function metricOf(port: number, name: string): Promise<number> {
  try {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    return Number(new RegExp(`^${name} ([0-9.e+-]+)$`, 'm').exec(text)?.[1] ?? 0)
  } catch {
    return 0
  }
}
