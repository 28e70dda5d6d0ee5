import { DeadlineExceeded } from '../vocabulary/errors.ts'
import type { Exchange } from './exchange.ts'

/** The line took its share of the deadline, and the body. @throws {DeadlineExceeded} when nothing is left of it */
export function timeLeft(exchange: Exchange, timeoutMs: number): number {
  const left = Math.ceil(timeoutMs - exchange.elapsedMs)
  if (left <= 0) throw new DeadlineExceeded('the deadline passed before the request had begun')
  return left
}
