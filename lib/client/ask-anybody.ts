import type { Outcome } from '../links/frame-link.ts'
import type { Span } from '../ports/tracer.ts'
import { Closed, DeadlineExceeded, type StarlingError, Unreachable } from '../vocabulary/errors.ts'
import type { Request, Response } from '../wire/messages.ts'
import type { Sleeper } from './alarms.ts'
import { backoffMs } from './backoff.ts'
import { chooseNode } from './choose-node.ts'
import type { KnownNode } from './known-node.ts'
import { errorOfOutcome, wrongAnswer } from './request-error.ts'
import { timeoutMsAt } from './request-run.ts'
import { abortSpan, endRequestSpan, tellAsked } from './request-span.ts'
import type { CancelableRequest, Requests } from './requests.ts'

/**
 * Asks any node for what every node can answer and what changes nothing; the next one when one fails, and all of them
 * again after a while, until the deadline. `done` is called once, not inside the call, and not after `cancel`.
 */
export function askAnybody<Type extends Response['type']>(
  requests: Requests,
  ask: {
    readonly toMessage: (timeoutMs: number) => Request
    readonly answer: Type
    readonly deadlineMs: number
    /** Ends with the answer. Undefined: nobody traces it. */
    readonly span?: Span | undefined
  },
  done: (error: StarlingError | undefined, answer: Extract<Response, { type: Type }> | undefined) => void,
): CancelableRequest {
  const { time, view, random, discovery, alarms, retriesMax } = requests.parts
  let tried: readonly KnownNode[] = []
  let rounds = 0
  let attempts = 0
  let isOver = false
  const end = (error: StarlingError | undefined, answer: Extract<Response, { type: Type }> | undefined): void => {
    if (isOver) return
    isOver = true
    if (ask.span !== undefined) endRequestSpan(ask.span, error)
    done(error, answer)
  }
  const fail = (error: StarlingError): void => time.soon(() => end(error, undefined))
  const askNext = (last: StarlingError | undefined): void => {
    if (isOver) return
    if (requests.isClosed) return fail(new Closed('the client was closed'))
    const nowMs = time.nowMs()
    if (nowMs >= ask.deadlineMs) {
      return fail(last ?? new DeadlineExceeded('no node could be asked before the deadline'))
    }
    const node = chooseNode(view, [], true, tried, nowMs)
    if (node === undefined) return beginRound(last)
    if (ask.span !== undefined) tellAsked(ask.span, node, attempts === 0 ? undefined : 'retry')
    attempts += 1
    tried = [...tried, node]
    const message = ask.toMessage(timeoutMsAt(ask.deadlineMs - nowMs))
    const heard = (outcome: Outcome): void => {
      if (outcome.type === 'answered') {
        const { message: answer } = outcome
        if (answer.type !== ask.answer) return end(wrongAnswer(node.name, true), undefined)
        return end(undefined, answer as Extract<Response, { type: Type }>)
      }
      const isOverdue = time.nowMs() >= ask.deadlineMs
      const error = errorOfOutcome(outcome, { node: node.name, isRead: true, isOverdue })
      if (!error.retryable || isOverdue) return end(error, undefined)
      askNext(error)
    }
    requests.ask(node, message, ask.deadlineMs, undefined, heard, ask.span)
  }
  /** Nobody is left to be asked now. */
  const beginRound = (last: StarlingError | undefined): void => {
    const error = last ?? new Unreachable('no node of the cluster could be reached', { hint: 'is it running?' })
    const waitMs = backoffMs(rounds, random)
    discovery.refreshSoon()
    if (rounds >= retriesMax || time.nowMs() + waitMs >= ask.deadlineMs) return fail(error)
    rounds += 1
    tried = []
    const sleeper: Sleeper = {
      alarmAtMs: 0,
      isAsleep: false,
      get isSettled() {
        return isOver
      },
      onAlarm: () => askNext(error),
      onClosed: () => askNext(error),
    }
    alarms.wakeAt(time.nowMs() + waitMs, sleeper)
  }
  askNext(undefined)
  return {
    cancel() {
      if (!isOver && ask.span !== undefined) abortSpan(ask.span)
      isOver = true
    },
  }
}
