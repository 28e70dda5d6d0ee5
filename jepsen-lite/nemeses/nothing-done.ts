import type { Strike } from '../nemesis.ts'

/** Where a fault would now break more than the product promises to bear. */
export function nothingDone(why: string): Strike {
  return { what: `nothing: ${why}`, nodes: [], undo: async () => undefined }
}
