import { createHash } from 'node:crypto'
import { type Bucket, type Database, json } from 'starling-kv'

/** What is stored of a flag. */
export interface Flag {
  readonly on: boolean
  /** Of a hundred users so many have it while it is on; default all of them. */
  readonly percent?: number
}

export interface FlagsOptions<Name extends string> {
  /** Every flag the program knows, and what holds as long as nobody could be asked. */
  readonly defaults: Readonly<Record<Name, boolean>>
  /** How often the cluster is asked, in milliseconds; up to a quarter more by chance. Default 5,000. */
  readonly everyMs?: number
  /** Told of what changed, and of a cluster that cannot be asked. */
  readonly onChange?: (name: Name, on: Flag | undefined) => void
  readonly onProblem?: (error: unknown) => void
}

const everyMsDefault = 5_000

/**
 * Feature flags that never keep anybody waiting: a question is answered from memory, the cluster is asked beside it.
 *
 * While it cannot be asked, the last answers hold, also for hours; before the first answer, and for flags that nobody has
 * set, the defaults.
 */
export class Flags<Name extends string> {
  readonly #flags: Bucket<Flag>
  readonly #options: FlagsOptions<Name>
  readonly #known = new Map<Name, Flag>()
  #askedAtMs: number | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(db: Database, options: FlagsOptions<Name>) {
    this.#flags = flagsOf(db)
    this.#options = options
  }

  /** @param user the same user is answered the same, as long as the flag is not changed */
  isOn(name: Name, user = ''): boolean {
    const flag = this.#known.get(name)
    if (flag === undefined) return this.#options.defaults[name]
    return flag.on && placeOf(name, user) < (flag.percent ?? 100)
  }

  /** When all flags were heard of last, in milliseconds since the epoch; undefined: never. */
  get askedAtMs(): number | undefined {
    return this.#askedAtMs
  }

  /** Asks once. What could not be read stays as it was. Rejects never. */
  async refresh(): Promise<void> {
    const names = Object.keys(this.#options.defaults) as Name[]
    const asked = await Promise.allSettled(names.map((name) => this.#read(name)))
    const failed = asked.find(({ status }) => status === 'rejected')
    if (failed === undefined) this.#askedAtMs = Date.now()
    else this.#options.onProblem?.((failed as PromiseRejectedResult).reason)
  }

  /** Asks now and again until `stop`; keeps no process alive. */
  start(): void {
    const { everyMs = everyMsDefault } = this.#options
    const again = (): void => {
      this.#timer = setTimeout(() => void this.refresh().then(again), everyMs * (1 + Math.random() / 4))
      this.#timer.unref()
    }
    void this.refresh().then(again)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  async #read(name: Name): Promise<void> {
    // One answer is enough: a flag may take effect a moment later here than there.
    const found = await this.#flags.get(name, { r: 1, session: false })
    const flag = found?.siblings[0]?.value
    const before = this.#known.get(name)
    if (flag === undefined) this.#known.delete(name)
    else this.#known.set(name, flag)
    if (JSON.stringify(before) !== JSON.stringify(flag)) this.#options.onChange?.(name, flag)
  }
}

/** Made once, by whoever sets the cluster up: of two people who set a flag at once, the later one by the clock is right. */
export async function prepareFlags(db: Database): Promise<void> {
  await db.setBucketProperties('flags', { conflict: 'lww' })
}

/** Every program that has started its `Flags` goes by it within seconds. @throws {StarlingError} */
export async function setFlag(db: Database, name: string, flag: Flag): Promise<void> {
  await flagsOf(db).put(name, flag)
}

function flagsOf(db: Database): Bucket<Flag> {
  return db.bucket<Flag>('flags', { codec: json })
}

/** Where a user stands among all users, 0 to under 100; elsewhere for each flag, or the same few would try everything. */
function placeOf(name: string, user: string): number {
  return (createHash('sha256').update(`${name} ${user}`).digest().readUInt32BE(0) / 2 ** 32) * 100
}
