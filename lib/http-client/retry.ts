import { Overloaded, StarlingError } from '../vocabulary/errors.ts'

export const retriesMax = 10
const backoffMsMin = 50
const backoffMsMax = 1_000

/**
 * How long to wait before a request that failed is sent again, for the `retry`-th time (from 0). Anything up to a bound
 * that doubles, so that clients that failed together do not return together; of an overloaded cluster what it asked for,
 * and more. (Brooker, Exponential Backoff and Jitter, 2015, "full jitter".)
 */
export function waitMs(error: StarlingError, retry: number): number {
  const fraction = Math.random()
  if (error instanceof Overloaded) return error.retryAfterMs * (1 + fraction / 2)
  return fraction * Math.min(backoffMsMax, backoffMsMin * 2 ** retry)
}

/**
 * Whether another try is safe and may help.
 *
 * @param mayRepeat the request may be sent again whatever became of it
 */
export function isWorthAnotherTry(error: unknown, retry: number, mayRepeat: boolean): error is StarlingError {
  if (!(error instanceof StarlingError) || !error.retryable) return false
  // Clients that all come again, again and again, keep a cluster overloaded.
  if (error instanceof Overloaded && retry > 0) return false
  return mayRepeat || error.aftermath === 'nothing-changed'
}

/** Resolves after `ms`; rejects with the signal's reason when it is aborted. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** 128 bits of chance: no other write has it. (`randomUUID` is missing in pages that came over plain HTTP.) */
export function newIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
