import type { DataHandlers } from './data-handlers.ts'
import type { RequestContext } from './request-context.ts'

/** Tells others what this node keeps for whom, and where it has not recovered. */
export function stockHandlers(context: RequestContext): Pick<DataHandlers, 'take-stock'> {
  return {
    'take-stock': (_message, respond) => {
      const { self, layout, recovery, hints } = context
      const owned = layout.inForce?.partitionsOf(self) ?? []
      respond({
        type: 'stock',
        node: self,
        recovering: owned.filter((partition) => recovery.isRecovering(partition)),
        hints: hints.ledger().map(({ target, count, bytes }) => ({ target, count, bytes })),
      })
    },
  }
}
