import { type ChildProcess, fork } from 'node:child_process'
import type { Answer, Order } from '../load/orders.ts'
import type { LoopResult } from '../load/tally.ts'
import { programAt } from './system.ts'

/** The process that makes the load on one system. */
export class LoadGenerator {
  readonly #process: ChildProcess = fork(programAt('bench/load/load-process.js'), { stdio: 'inherit' })

  async prepare(order: Omit<Extract<Order, { type: 'prepare' }>, 'type'>): Promise<void> {
    await this.#give({ type: 'prepare', ...order })
  }

  async make(order: Extract<Order, { type: 'fill' | 'run' }>): Promise<LoopResult> {
    const answer = await this.#give(order)
    if (answer.type !== 'finished') throw new Error('the load generator did not say what it did')
    return answer.result
  }

  stop(): void {
    if (this.#process.connected) this.#process.disconnect()
  }

  #give(order: Order): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error('the load generator ended early'))
      this.#process.once('exit', ended)
      this.#process.once('message', (answer: Answer) => {
        this.#process.removeListener('exit', ended)
        if (answer.type === 'gave-up') reject(new Error(answer.reason))
        else resolve(answer)
      })
      this.#process.send(order)
    })
  }
}
