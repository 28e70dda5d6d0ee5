import type { Found } from '../../http-client/answers.ts'
import type { HttpClient, QuorumLevel } from '../../http-client/http-client.ts'
import type { Sibling } from '../../http-client/sibling.ts'
import { StarlingError } from '../../vocabulary/errors.ts'
import { timeoutMsDefault } from '../../vocabulary/limits.ts'
import type { ImportRecord } from './import-line.ts'
import { isSameContent, withoutDuplicates } from './same-content.ts'

export interface RecordImporterOptions {
  readonly client: Pick<HttpClient, 'get' | 'put'>
  readonly bucket: string
  /** How long one record is tried before it counts as failed. */
  readonly retryMs: number
  readonly w?: QuorumLevel | undefined
  readonly timeoutMs?: number | undefined
  /** A float in [0, 1). */
  readonly fraction: () => number
  readonly sleep: (delayMs: number) => Promise<unknown>
  readonly nowMs: () => number
}

export interface ImportOutcome {
  readonly type: 'written' | 'unchanged'
  /** Attempts after one that failed. */
  readonly retries: number
  /** The outcome of some attempt was unknown: it may still take effect. Look again later with `settle`. */
  readonly doubtful: boolean
}

const backoffMsMin = 50
const backoffMsMax = 2_000

/**
 * Brings records into a bucket so that each key ends with exactly what its line says, however often it is tried.
 *
 * A new key costs one conditional write. For anything else the key is read first: what is there already is left alone,
 * and a write carries the context of that read, so that it replaces what it saw. After an attempt whose outcome is unknown
 * the key is always read before it is written again: a blind repetition would leave the same value twice.
 */
export class RecordImporter {
  readonly #options: RecordImporterOptions

  constructor(options: RecordImporterOptions) {
    this.#options = options
  }

  /** @throws {StarlingError} what cannot be retried, or what the last attempt met */
  async bring(record: ImportRecord): Promise<ImportOutcome> {
    const { retryMs, nowMs } = this.#options
    const giveUpAtMs = nowMs() + retryMs
    let readFirst = record.siblings.length > 1
    let doubtful = false
    let retries = 0
    for (let attempt = 0; ; attempt += 1) {
      try {
        const type = readFirst ? await this.#compareAndWrite(record, doubtful) : await this.#writeNew(record)
        return { type, retries, doubtful }
      } catch (error) {
        if (!(error instanceof StarlingError)) throw error
        const isTaken = error.code === 'precondition-failed'
        if (error.aftermath === 'may-have-changed') doubtful = true
        if (doubtful || isTaken) readFirst = true
        const isFinal = !isTaken && !error.retryable && error.aftermath === 'nothing-changed'
        if (isFinal || nowMs() >= giveUpAtMs) throw error
        // That something is there already is an answer, the first time.
        if (isTaken && attempt === 0) continue
        retries += 1
        await this.#backOff(attempt)
      }
    }
  }

  /**
   * Looks again at a key whose import was doubtful, when stragglers have had their time: a value that two attempts wrote
   * stands there once again. Siblings that the record does not have are somebody else's business and stay.
   *
   * A node that was killed in the middle of an attempt may have kept it for itself, and show it when it returns: so all
   * owners are asked, and waited for until `untilMs`.
   *
   * @returns false when some owner stayed out of reach: what it may hold is not known
   */
  async settle(record: ImportRecord, untilMs: number): Promise<boolean> {
    const { client, bucket, timeoutMs, nowMs } = this.#options
    for (let attempt = 0; ; attempt += 1) {
      try {
        await this.#mend(record, await client.get(bucket, record.key, { r: 'all', timeoutMs }))
        return true
      } catch (error) {
        if (!(error instanceof StarlingError) || !(error.retryable || error.aftermath === 'may-have-changed'))
          throw error
        if (nowMs() >= untilMs) break
        if (error.aftermath === 'may-have-changed') await this.outlastStragglers()
        else await this.#backOff(attempt)
      }
    }
    await this.#mend(record, await client.get(bucket, record.key, { timeoutMs }))
    return false
  }

  /** An attempt whose connection broke may go on at its node until its own deadline, and not longer. */
  async outlastStragglers(): Promise<void> {
    await this.#options.sleep(this.#options.timeoutMs ?? timeoutMsDefault)
  }

  async #mend(record: ImportRecord, found: Found): Promise<void> {
    const wanted = record.siblings.filter((sibling) => !isExpired(sibling, this.#options.nowMs()))
    if (wanted.length === 0 || isThere(found.siblings, wanted, true)) return
    const isOurs = found.siblings.every((sibling) => wanted.some((one) => isSameContent(one, sibling)))
    if (isOurs) await this.#writeAll(record.key, wanted, found)
  }

  async #writeNew({ key, siblings }: ImportRecord): Promise<'written' | 'unchanged'> {
    const { client, bucket } = this.#options
    const [only] = siblings as readonly [Sibling]
    if (isExpired(only, this.#options.nowMs())) return 'unchanged'
    await client.put(bucket, key, only.value, { ...this.#putOptions(only), onlyIfAbsent: true })
    return 'written'
  }

  async #compareAndWrite(record: ImportRecord, doubtful: boolean): Promise<'written' | 'unchanged'> {
    const { client, bucket, timeoutMs, nowMs } = this.#options
    const { key } = record
    const found = doubtful ? await this.#readWidely(key) : await client.get(bucket, key, { timeoutMs })
    const wanted = record.siblings.filter((sibling) => !isExpired(sibling, nowMs()))
    if (wanted.length === 0) return 'unchanged'
    if (isThere(found.siblings, wanted, doubtful)) return doubtful ? 'written' : 'unchanged'
    await this.#writeAll(key, wanted, found)
    return 'written'
  }

  /** Replaces what was found by exactly these siblings. */
  async #writeAll(key: string, wanted: readonly Sibling[], found: Found): Promise<void> {
    const { client, bucket } = this.#options
    const isEmpty = found.siblings.length === 0
    let context = found.context
    for (const sibling of wanted) {
      // The condition is checked where an earlier attempt may have arrived without this read seeing it.
      const onlyIfAbsent = isEmpty && wanted.length === 1
      await client.put(bucket, key, sibling.value, { ...this.#putOptions(sibling), context, onlyIfAbsent })
      context = undefined // The others stand beside the first.
    }
  }

  /** At all owners, if they can be reached: an attempt that failed may have arrived at one of them only. */
  async #readWidely(key: string): Promise<Found> {
    const { client, bucket, timeoutMs } = this.#options
    try {
      return await client.get(bucket, key, { r: 'all', timeoutMs })
    } catch (error) {
      const isTooMuch =
        error instanceof StarlingError && (error.code === 'quorum-unavailable' || error.code === 'deadline-exceeded')
      if (!isTooMuch) throw error
      return client.get(bucket, key, { timeoutMs })
    }
  }

  #putOptions(sibling: Sibling) {
    const { w, timeoutMs, nowMs } = this.#options
    const { contentType, metadata, expiresAt } = sibling
    const ttlSeconds = expiresAt === undefined ? undefined : Math.ceil((Date.parse(expiresAt) - nowMs()) / 1000)
    return { contentType, metadata, ttlSeconds, w, timeoutMs }
  }

  async #backOff(attempt: number): Promise<void> {
    const { fraction, sleep } = this.#options
    const delayMs = Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(attempt, 10))
    await sleep(delayMs * (0.5 + fraction() / 2))
  }
}

/**
 * Whether a key holds what it is to hold, nothing twice. Beside a doubtful attempt's value there may be one that somebody
 * wrote at the same time: that one is not ours to replace.
 */
function isThere(found: readonly Sibling[], wanted: readonly Sibling[], doubtful: boolean): boolean {
  const isComplete = wanted.every((sibling) => found.some((one) => isSameContent(one, sibling)))
  const isSingle = withoutDuplicates(found).length === found.length
  return isComplete && isSingle && (doubtful || found.length === wanted.length)
}

function isExpired(sibling: Sibling, nowMs: number): boolean {
  return sibling.expiresAt !== undefined && Date.parse(sibling.expiresAt) <= nowMs
}
