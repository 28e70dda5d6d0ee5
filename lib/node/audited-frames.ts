import type { ClientRequest } from '../protocol/quorum/client-request.ts'
import type { AuditKind, AuditLog } from '../security/audit-log.ts'
import type { Principal } from '../security/principal.ts'
import type { Endpoint } from '../vocabulary/ids.ts'
import type { Request } from '../wire/messages.ts'
import type { Respond } from './data-handlers.ts'

/** Who asks by frames. */
interface Asking {
  readonly remote: Endpoint
  /** Undefined: nobody is asked who they are here. Asked once the request was found to be theirs. */
  readonly who: () => Principal | undefined
}

/**
 * `respond`, which tells the audit log first what came of an embedded client's request. What members ask of each other
 * is no deed of anybody: it follows from one that is written down where it began.
 */
export function auditing(audit: AuditLog, message: Request, asking: Asking, respond: Respond): Respond {
  const deeds = deedsOf(message)
  if (!deeds.some(({ kind }) => audit.wants(kind)) && !audit.wants('refused')) return respond
  return (answer) => {
    const refusal = answer.type === 'refused' ? answer.code : undefined
    const endings = answer.type === 'coordinated-many' ? answer.endings : []
    if (isTurnedAway(refusal)) {
      const [first] = deeds
      tell({ kind: 'refused', operation: first?.operation ?? message.type, on: first?.on ?? {} }, refusal)
    } else {
      for (const [index, deed] of deeds.entries()) {
        const ending = endings[index]
        const outcome = refusal ?? (ending?.type === 'refused' ? ending.code : 'ok')
        tell(isTurnedAway(outcome) ? { ...deed, kind: 'refused' } : deed, outcome)
      }
    }
    respond(answer)
  }

  function tell({ kind, operation, on }: Deed, outcome: string): void {
    const who = outcome === 'unauthenticated' ? undefined : asking.who()
    audit.record({ kind, operation, via: 'frames', who, from: asking.remote, on, outcome, requestId: undefined })
  }
}

interface Deed {
  readonly kind: AuditKind
  readonly operation: string
  readonly on: Readonly<Record<string, unknown>>
}

/** By the words that HTTP has for them. Empty: nothing that is written down, unless it is refused. */
function deedsOf(message: Request): readonly Deed[] {
  switch (message.type) {
    case 'set-bucket': {
      const { bucket, properties } = message
      return [{ kind: 'change', operation: 'set-bucket', on: { bucket, properties } }]
    }
    case 'coordinate':
      return [deedOf(message.request)]
    case 'coordinate-many':
      return message.requests.map(deedOf)
    case 'scan': {
      const { bucket, prefix } = message.range
      return [{ kind: 'read', operation: 'list', on: { bucket, prefix } }]
    }
    default:
      return []
  }
}

function deedOf({ type, bucket, key }: ClientRequest): Deed {
  return { kind: type === 'get' ? 'read' : 'write', operation: type, on: { bucket, key } }
}

function isTurnedAway(code: string | undefined): code is 'unauthenticated' | 'forbidden' {
  return code === 'unauthenticated' || code === 'forbidden'
}
