import type { ErrorCode } from '../vocabulary/errors.ts'

interface ErrorPage {
  readonly status: number
  /** What kind of thing went wrong; the same for every error of its code. */
  readonly title: string
  /** What a caller can do about it when the error itself does not say. */
  readonly hint: string
}

/** How every error code looks over HTTP. The only place where a code gets its status. */
export const errorPages: Readonly<Record<ErrorCode, ErrorPage>> = {
  'invalid-key': page(400, 'The key is not one', 'Percent-encode the key as UTF-8; a slash inside it is %2F.'),
  'invalid-bucket': page(400, 'The bucket is not one', 'Percent-encode the bucket as UTF-8; it may not start with $.'),
  'invalid-parameter': page(400, 'A query parameter is not one', 'See /docs for the parameters of this request.'),
  'invalid-header': page(400, 'A header is malformed', 'See /docs for the headers of this request.'),
  'invalid-body': page(400, 'The body is malformed', 'See /docs for the body of this request.'),
  'invalid-context': page(400, 'The causal context is not one', 'Send the Starling-Context of a read of the same key.'),
  unauthenticated: page(401, 'The request names nobody', 'Send a token.'),
  forbidden: page(403, 'Not allowed', 'Ask for a token with a role that may do this.'),
  'not-found': page(404, 'Nothing is here', 'No value is stored under this key, or it was deleted.'),
  'unknown-node': page(404, 'No such node', 'GET /v1/cluster/status lists the members.'),
  'unknown-route': page(404, 'No such route', 'See /docs for the routes.'),
  'method-not-allowed': page(405, 'Not with this method', 'The Allow header lists the methods of this path.'),
  'too-many-siblings': page(409, 'Too many siblings', 'GET the key, merge its siblings, write back with the context.'),
  'stale-plan': page(409, 'The plan is not the current one', 'GET the plan again.'),
  'plan-refused': page(409, 'The plan would endanger data', 'See its checks.'),
  'transition-running': page(409, 'A transition is running', 'Wait until it has ended.'),
  'precondition-failed': page(412, 'The condition does not hold', 'GET the key again and decide anew.'),
  'session-unavailable': page(412, 'The session cannot be served', 'Try again, or drop the session.'),
  'value-too-large': page(413, 'The value is too large', 'Store it in parts.'),
  'metadata-too-large': page(413, 'The metadata is too large', 'Keep it with the value.'),
  'unsupported-encoding': page(415, 'The encoding is not supported', 'Send the bytes as they are to be stored.'),
  'idempotency-key-reused': page(422, 'The idempotency key is taken', 'Use a new key for every new write.'),
  overloaded: page(429, 'Too much work at once', 'Try again after the time in Retry-After.'),
  'quorum-unavailable': page(503, 'Too few owners in reach', 'Try again, or ask for a smaller quorum.'),
  'no-layout': page(503, 'The cluster has no layout yet', 'Try again when the expected nodes have started.'),
  draining: page(503, 'The node takes no requests', 'Ask another node.'),
  'storage-failed': page(503, 'The store of this node failed', 'Ask another node; see the log of this one.'),
  'clock-skew': page(503, 'The clock of this node is off', 'Ask another node; correct the clock of this one.'),
  unreachable: page(503, 'No node in reach', 'Try again.'),
  closed: page(503, 'The node was closed', 'Ask another node.'),
  'deadline-exceeded': page(504, 'The deadline passed', 'Try again, or allow more time with ?timeout=.'),
  internal: page(500, 'A bug of Starling', 'Please report it with the request id.'),
}

/** Seconds that a client is asked to wait after 429 and 503. */
export const retryAfterSeconds = 1

function page(status: number, title: string, hint: string): ErrorPage {
  return { status, title, hint }
}
