import { setTimeout as sleep } from 'node:timers/promises'
import { type ClientOptions, connect, endpointsOf, requestOptions } from './client-options.ts'
import { exitCode } from './exit-code.ts'
import { note, writeJson } from './output.ts'
import { repaintLine } from './progress-line.ts'

export interface DrainOptions extends ClientOptions {
  /** Seconds. */
  readonly wait?: number
  readonly dryRun?: boolean
}

const waitSecondsDefault = 60
const lookEveryMs = 200
/** The node answers when what it took has ended, after ten seconds at the latest. */
const answerMs = 20_000

/** Takes one node out of coordination; returns when nothing is in flight there, so that it can be stopped. */
export async function nodeDrain(options: DrainOptions): Promise<void> {
  // About one node: another one is not meant.
  const client = connect({ ...options, endpoint: endpointsOf(options)[0] ?? '' })
  const { name } = await client.node(requestOptions(options))
  if (options.dryRun === true) {
    if (options.json) return writeJson('Drain', { name, dryRun: true })
    return note(`${name} would coordinate no more requests; nothing was done`)
  }
  const limits = { timeoutMs: options.timeout ?? answerMs }
  const deadlineMs = performance.now() + (options.wait ?? waitSecondsDefault) * 1000
  let { inFlight } = await client.drain(limits)
  while (inFlight > 0 && performance.now() < deadlineMs) {
    if (options.json !== true) repaintLine(`${name}: ${inFlight} requests in flight`)
    await sleep(lookEveryMs)
    inFlight = (await client.drain(limits)).inFlight
  }
  repaintLine('')
  if (inFlight > 0) process.exitCode = exitCode.partial
  if (options.json) return writeJson('Drain', { name, inFlight, dryRun: false })
  note(
    inFlight > 0
      ? `${name} is drained, but ${inFlight} requests are still in flight`
      : `${name} is drained: it can be stopped; a restart ends it`,
  )
}
