import type { RequestContext } from './request-context.ts'
import type { Trail } from './trail.ts'

/** The own store begins to do something for a request. @returns its place in the flight recorder, for `endStoreStep` */
export function beginStoreStep({ self, time, recorder }: RequestContext, trail: Trail, what: string): number {
  if (trail.serial === 0) return 0
  return recorder.asked(trail.serial, self, what, time.nowMs())
}

export function endStoreStep({ time, recorder }: RequestContext, trail: Trail, place: number, how: string): void {
  if (trail.serial === 0) return
  recorder.ended(place, trail.serial, how, time.nowMs())
}
