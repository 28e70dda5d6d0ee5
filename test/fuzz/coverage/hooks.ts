import type { LoadHook } from 'node:module'
import { instrument } from './instrument.ts'

let next = 0

/** Runs beside the program and gives it the modules of `lib` instrumented (`module.register`). */
export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context)
  if (loaded.format !== 'module' || loaded.source == null || !isOfTheProduct(url)) return loaded
  const { code, counters } = instrument(String(loaded.source), url, next)
  next += counters
  return { ...loaded, source: code }
}

function isOfTheProduct(url: string): boolean {
  return /\/lib\/(?!testing\/|simulator\/).*\.js$/.test(url) && !url.includes('/node_modules/')
}
