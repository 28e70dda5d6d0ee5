import type { Done } from '../node/node-api.ts'
import type { Exchange } from './exchange.ts'

/** A callback for the node that answers with what `view` makes of its answer, as JSON. */
export function answerJsonOf<Answer>(exchange: Exchange, view: (answer: Answer) => unknown): Done<Answer> {
  return (error, answer) => {
    exchange.guard(() => {
      if (answer === undefined) exchange.fail(error)
      else exchange.answerJson(view(answer))
    })
  }
}
