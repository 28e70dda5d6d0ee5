import { Closed, DeadlineExceeded } from '../vocabulary/errors.ts'
import type { Sleeper } from './alarms.ts'
import type { Requests } from './requests.ts'

/**
 * Settles as `work` does, which is not the client's own: unless the deadline passes before, `signal` is aborted, or the
 * client is closed. What the work comes to then is nobody's business.
 *
 * @throws {DeadlineExceeded | Closed} with nothing changed
 */
export function inTime<Result>(
  requests: Requests,
  work: PromiseLike<Result>,
  deadlineMs: number,
  signal: AbortSignal | undefined,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const { alarms } = requests.parts
    const settle = (act: () => void): void => {
      if (sleeper.isSettled) return
      sleeper.isSettled = true
      if (signal !== undefined) requests.aborts.unwatch(signal, onAbort)
      act()
    }
    const onAbort = (): void => settle(() => reject(signal?.reason))
    const sleeper: Sleeper & { isSettled: boolean } = {
      alarmAtMs: 0,
      isAsleep: false,
      isSettled: false,
      onAlarm: () => settle(() => reject(new DeadlineExceeded('the deadline passed while the siblings were merged'))),
      onClosed: () => settle(() => reject(new Closed('the client was closed'))),
    }
    alarms.wakeAt(deadlineMs, sleeper)
    if (signal !== undefined) requests.aborts.watch(signal, onAbort)
    work.then(
      (result) => settle(() => resolve(result)),
      (error) => settle(() => reject(error)),
    )
  })
}
