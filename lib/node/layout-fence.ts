import type { LayoutDocument } from '../protocol/layout/layout-document.ts'
import type { DecidedLayout } from '../protocol/layout/layout-version.ts'

/**
 * The one live version, if tombstones may be removed under it (docs/rules.md D1): no transition is going on, and nobody
 * is awaited who may still bring what it held.
 */
export function settledLayout(document: LayoutDocument): DecidedLayout | undefined {
  const [only, ...others] = document.live
  return only !== undefined && others.length === 0 && only.version.awaited.length === 0 ? only : undefined
}
