/**
 * Makes every hidden source of time, chance and concurrency throw, so that nothing of the simulated code can take from
 * the real world what the seed does not know. Returns what undoes it.
 */
export function trapLeaks(): () => void {
  const undo: (() => void)[] = []
  function trap(holder: object, name: string): void {
    const original = Object.getOwnPropertyDescriptor(holder, name)
    const value = (): never => {
      throw new Error(`simulated code used ${name}: time and chance come from ports`)
    }
    Object.defineProperty(holder, name, { value, configurable: true, writable: true })
    undo.push(() => {
      if (original === undefined) Reflect.deleteProperty(holder, name)
      else Object.defineProperty(holder, name, original)
    })
  }
  trap(Date, 'now')
  trap(Math, 'random')
  trap(performance, 'now')
  trap(process, 'hrtime')
  trap(process, 'nextTick')
  for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch']) trap(globalThis, name)
  trap(globalThis.crypto, 'getRandomValues')
  trap(globalThis.crypto, 'randomUUID')
  return () => {
    for (const one of undo.reverse()) one()
  }
}
