import type { Bucket } from '../vocabulary/key.ts'
import type { RequestContext } from './request-context.ts'

/** Whether any node in reach lists a live key of the bucket. Deleted keys, and nodes out of reach, say nothing. */
export function findKey(
  context: RequestContext,
  bucket: Bucket,
  timeoutMs: number,
  done: (isFound: boolean) => void,
): void {
  const { self, peers, store, layout } = context
  const nodes = layout.inForce?.nodeIds.filter((node) => node === self || peers.isReachable(node)) ?? []
  const range = { bucket, prefix: '', after: '' }
  let left = nodes.length
  let isFound = false
  const answered = (count: number): void => {
    if (count > 0) isFound = true
    left -= 1
    if (left === 0) done(isFound)
  }
  if (left === 0) return done(false)
  for (const node of nodes) {
    if (node === self) {
      store.list(range, { limit: 1 }, (_failure, keys) => answered(keys.length))
      continue
    }
    peers.ask(node, { type: 'list-keys', ...range, limit: 1, timeoutMs }, timeoutMs, (outcome) => {
      const keys = outcome.type === 'answered' && outcome.message.type === 'keys' ? outcome.message.keys : []
      answered(keys.length)
    })
  }
}
