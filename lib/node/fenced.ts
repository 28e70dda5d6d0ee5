import type { Refusal } from '../wire/messages.ts'
import { refusal } from './refusals.ts'
import type { RequestContext } from './request-context.ts'

/**
 * Refuses what was planned with a layout that every member has left behind (docs/rules.md T2): it may be meant for other
 * owners. Undefined: it may go on.
 */
export function fenced({ layout }: Pick<RequestContext, 'layout'>, layoutNumber: number): Refusal | undefined {
  const { inForce } = layout
  if (inForce === undefined) return refusal('no-layout', 'the node knows no decided layout yet')
  return layoutNumber >= inForce.barrier
    ? undefined
    : refusal('layout-stale', `planned with layout ${layoutNumber}; every member knows ${inForce.barrier}`)
}
