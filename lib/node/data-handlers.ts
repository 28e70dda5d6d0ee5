import type { Span } from '../ports/tracer.ts'
import type { Refusal, Request, Response } from '../wire/messages.ts'

export type Respond = (answer: Response | Refusal) => void
export type RequestOf<Type extends Request['type']> = Extract<Request, { type: Type }>

/** Requests about the cluster; a node answers them from its first moment on. */
export type ClusterRequestType =
  | 'pull-layout'
  | 'exchange-members'
  | 'probe'
  | 'keep-row'
  | 'recall-row'
  | 'discover'
  | 'abort-first-layout'
  | 'layout-prepare'
  | 'layout-accept'
  | 'propose-layout'
  | 'handed-back'
  | 'tell-secret'
  | 'change-secret'

export type ClusterRequest = RequestOf<ClusterRequestType>
/** Requests about data; answered once the node serves. */
export type DataRequest = Exclude<Request, ClusterRequest>

/**
 * Who answers which requests about data. A handler responds once, now or later; what it throws as `UnreadableBytes`
 * is answered as malformed. `span`: of a request that is part of a trace.
 */
export type DataHandlers = {
  readonly [Type in DataRequest['type']]: (message: RequestOf<Type>, respond: Respond, span?: Span | undefined) => void
}

const clusterRequests: ReadonlySet<Request['type']> = new Set<ClusterRequestType>([
  'pull-layout',
  'exchange-members',
  'probe',
  'keep-row',
  'recall-row',
  'discover',
  'abort-first-layout',
  'layout-prepare',
  'layout-accept',
  'propose-layout',
  'handed-back',
  'tell-secret',
  'change-secret',
])

export function isDataRequest(message: Request): message is DataRequest {
  return !clusterRequests.has(message.type)
}
