import { Bucket } from '../client/bucket.ts'
import { Session } from '../client/session.ts'
import type { MovingTime } from './moving-time.ts'

type Method = (...given: readonly unknown[]) => unknown

/**
 * `target`, part of a client, whose promises make virtual time move until they are settled. So do those of the buckets,
 * sessions and iterators that it gives. Nothing else about it is changed: each method runs on the real object.
 */
export function awaited<Target extends object>(target: Target, time: MovingTime): Target {
  const methods = new Map<unknown, Method>()
  return new Proxy(target, {
    get(_target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      let method = methods.get(value)
      if (method === undefined) {
        method = (...given) =>
          resultOf(Reflect.apply(value, target, name === 'update' ? atRest(given, time) : given), time)
        methods.set(value, method)
      }
      return method
    },
  })
}

function resultOf(result: unknown, time: MovingTime): unknown {
  if (result instanceof Promise) return time.during(result)
  const gives =
    result instanceof Bucket ||
    result instanceof Session ||
    (typeof result === 'object' && result !== null && Symbol.asyncIterator in result)
  return gives ? awaited(result as object, time) : result
}

/** The merge function of an update is code of the user, who may take as long as he likes: time stands still meanwhile. */
function atRest(given: readonly unknown[], time: MovingTime): readonly unknown[] {
  return given.map((one) => {
    if (typeof one !== 'function') return one
    return (...parameters: readonly unknown[]) => {
      const result: unknown = Reflect.apply(one, undefined, parameters)
      if (!(result instanceof Promise)) return result
      time.rest()
      return result.finally(() => time.goOn())
    }
  })
}
