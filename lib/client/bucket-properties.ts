import { type BucketProperties, checkProperties } from '../protocol/bucket/properties.ts'
import {
  Closed,
  DeadlineExceeded,
  InvalidBucket,
  InvalidParameter,
  type StarlingError,
  Unreachable,
} from '../vocabulary/errors.ts'
import { type Bucket, bucketProblem } from '../vocabulary/key.ts'
import type { Request } from '../wire/messages.ts'
import { chooseNode } from './choose-node.ts'
import type { KnownNode } from './known-node.ts'
import { errorOfOutcome, wrongAnswer } from './request-error.ts'
import { checkedDeadlineMs, type RequestOptions } from './request-options.ts'
import { timeoutMsAt } from './request-run.ts'
import type { Requests } from './requests.ts'

export type { BucketProperties }

type BucketMessage = Request & { readonly type: 'read-bucket' | 'set-bucket' }

/** What a node reads as a level at most; how many replicas there are is for the node to say. */
const levelMax = 65_535

/** @throws {InvalidBucket} */
export function readProperties(
  requests: Requests,
  name: string,
  options: RequestOptions & { readonly deadlineMs: number },
): Promise<BucketProperties> {
  const bucket = checkedBucket(name)
  return ask(requests, options, () => ({ type: 'read-bucket', bucket }))
}

/** @throws {InvalidBucket | InvalidParameter} */
export function setProperties(
  requests: Requests,
  name: string,
  given: Partial<BucketProperties>,
  options: RequestOptions & { readonly deadlineMs: number },
): Promise<BucketProperties> {
  const bucket = checkedBucket(name)
  const checked = checkProperties(given, levelMax)
  if (checked.problem !== undefined) throw new InvalidParameter(checked.problem.message, { hint: checked.problem.hint })
  const { properties, ifVersion } = checked
  return ask(requests, options, (timeoutMs) => ({
    type: 'set-bucket',
    bucket,
    properties,
    ifVersion,
    hops: 0,
    timeoutMs,
  }))
}

/** Any node will do; the next one as long as it is certain that nothing has changed. */
function ask(
  requests: Requests,
  options: RequestOptions & { readonly deadlineMs: number },
  toMessage: (timeoutMs: number) => BucketMessage,
): Promise<BucketProperties> {
  const { time, view } = requests.parts
  const { signal } = options
  signal?.throwIfAborted()
  const deadlineMs = time.nowMs() + checkedDeadlineMs(options.deadlineMs)
  return new Promise((resolve, reject) => {
    const tried: KnownNode[] = []
    let isOver = false
    const end = (error: unknown): void => {
      isOver = true
      if (signal !== undefined) requests.aborts.unwatch(signal, onAbort)
      reject(error)
    }
    const onAbort = (): void => end(signal?.reason)
    const askNext = (last: StarlingError | undefined): void => {
      if (isOver) return
      if (requests.isClosed) return end(new Closed('the client was closed'))
      const nowMs = time.nowMs()
      const message = toMessage(timeoutMsAt(deadlineMs - nowMs))
      const isRead = message.type === 'read-bucket'
      if (nowMs >= deadlineMs) return end(last ?? new DeadlineExceeded('no node could be asked before the deadline'))
      const node = chooseNode(view, [], isRead, tried, nowMs)
      if (node === undefined) return end(last ?? new Unreachable('no node of the cluster could be reached'))
      tried.push(node)
      requests.ask(node, message, deadlineMs, isRead, (outcome) => {
        if (outcome.type === 'answered') {
          if (outcome.message.type === 'bucket-properties') {
            if (signal !== undefined) requests.aborts.unwatch(signal, onAbort)
            return resolve(outcome.message.properties)
          }
          return end(wrongAnswer(node.name, isRead))
        }
        const isOverdue = time.nowMs() >= deadlineMs
        const error = errorOfOutcome(outcome, { node: node.name, isRead, isOverdue })
        if (error.retryable && error.aftermath === 'nothing-changed') askNext(error)
        else end(error)
      })
    }
    if (signal !== undefined) requests.aborts.watch(signal, onAbort)
    askNext(undefined)
  })
}

function checkedBucket(name: string): Bucket {
  const problem = bucketProblem(name)
  if (problem !== undefined) throw new InvalidBucket(`the bucket "${name}" ${problem}`)
  return name as Bucket
}
