import { setTimeout as sleep } from 'node:timers/promises'
import type { AntiEntropy, RepairExchange } from '../http-client/repair-answers.ts'
import { requestOptions } from './client-options.ts'
import { type AnswersOfNodes, askEachNode, type EachNodeOptions, reportMissing } from './each-node.ts'
import { exitCode, UsageError } from './exit-code.ts'
import { note, writeJson, writeLine } from './output.ts'
import { formatCount, formatTable } from './table.ts'
import { formatBytes, formatSeconds } from './units.ts'
import { showOrWatch, type WatchOptions } from './watch.ts'

const lookEveryMs = 500
/** How often in a row an exchange must be found idle, not done and with a reason before it is given up. */
const failuresMax = 6

export async function repairStatus(options: EachNodeOptions & WatchOptions): Promise<void> {
  await showOrWatch(options, async () => {
    const asked = await look(options)
    if (options.json) await writeJson('Repair', asJson(asked))
    else await writeLine(format(asked))
    reportMissing(asked.missing)
  })
}

/**
 * Every node begins an exchange with every other owner of what it owns; with `--wait` until they are done, with `--watch`
 * showing again and again how far they are.
 */
export async function repairRun(options: EachNodeOptions & WatchOptions & { readonly wait?: boolean }): Promise<void> {
  if (options.wait === true && options.watch !== undefined)
    throw new UsageError('--wait and --watch are given, and one of them is meant')
  const startedMs = performance.now()
  let asked = await askEachNode(options, (client) => client.runExchange(requestOptions(options)))
  if (options.watch !== undefined) return repairStatus(options)
  let unfinished: readonly string[] = []
  if (options.wait === true) {
    const waiting = await waitForAll(options, asked, startedMs)
    asked = waiting.asked
    unfinished = waiting.unfinished
  }
  if (options.json) await writeJson('RepairRun', { ...asJson(asked), waited: options.wait === true, unfinished })
  else await writeLine(format(asked))
  if (unfinished.length > 0) {
    for (const sentence of unfinished) note(`! ${sentence}`)
    process.exitCode = exitCode.partial
  }
  reportMissing(asked.missing)
}

function look(options: EachNodeOptions): Promise<AnswersOfNodes<AntiEntropy>> {
  return askEachNode(options, (client) => client.antiEntropy(requestOptions(options)))
}

/** Looks again and again until every exchange is younger than the order, or has no chance. */
async function waitForAll(options: EachNodeOptions, first: AnswersOfNodes<AntiEntropy>, startedMs: number) {
  const idleLooks = new Map<string, number>()
  for (let asked = first; ; ) {
    const elapsedSeconds = (performance.now() - startedMs) / 1000
    const open = asked.answers.flatMap(({ name, answer }) =>
      answer.exchanges
        .filter(({ ageSeconds }) => !(typeof ageSeconds === 'number' && ageSeconds <= elapsedSeconds))
        .map((exchange) => ({ name, exchange, suspendedBecause: answer.suspendedBecause })),
    )
    const total = asked.answers.reduce((sum, { answer }) => sum + answer.exchanges.length, 0)
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${total - open.length} of ${total} exchanges done`)
    const hopeless = open.filter(({ name, exchange }) => {
      const pair = `${name} ${exchange.peer}`
      const looks = exchange.state === 'running' ? 0 : (idleLooks.get(pair) ?? 0) + 1
      idleLooks.set(pair, looks)
      return looks >= failuresMax
    })
    if (hopeless.length === open.length) {
      if (process.stderr.isTTY) process.stderr.write('\r\x1b[2K')
      const unfinished = open.map(
        ({ name, exchange, suspendedBecause }) =>
          `${name} has not compared with ${exchange.name}: ${exchange.reason ?? suspendedBecause ?? 'it did not begin'}`,
      )
      return { asked, unfinished }
    }
    await sleep(lookEveryMs)
    asked = await look(options)
  }
}

function asJson({ answers, missing }: AnswersOfNodes<AntiEntropy>) {
  return {
    exchanges: answers.flatMap(({ node, name, answer }) =>
      answer.exchanges.map((exchange) => ({ node, nodeName: name, ...exchange })),
    ),
    nodes: answers.map(({ node, name, answer }) => ({
      node,
      name,
      rebuilding: answer.rebuilding,
      suspendedBecause: answer.suspendedBecause ?? null,
    })),
    missing,
  }
}

function format({ answers }: AnswersOfNodes<AntiEntropy>): string {
  const rows = answers.flatMap(({ name, answer }) => answer.exchanges.map((exchange) => row(name, exchange)))
  const lines = [`${answers.length} nodes asked: ${rows.length === 0 ? 'none has another owner' : summary(answers)}`]
  if (rows.length > 0) lines.push(formatTable(head, rows))
  for (const { name, answer } of answers) {
    if (answer.rebuilding > 0) lines.push(`! ${name} builds ${formatCount(answer.rebuilding)} trees anew`)
    if (typeof answer.suspendedBecause === 'string')
      lines.push(`! ${name} begins no exchange: ${answer.suspendedBecause}`)
  }
  return lines.join('\n')
}

function summary(answers: AnswersOfNodes<AntiEntropy>['answers']): string {
  const all = answers.flatMap(({ answer }) => answer.exchanges)
  const ages = all.map(({ ageSeconds }) => ageSeconds ?? Number.POSITIVE_INFINITY)
  const oldest = Math.max(...ages)
  const never = ages.filter((age) => !Number.isFinite(age)).length
  if (never > 0) return `${never} of ${all.length} exchanges have not run since the start`
  return `the oldest exchange is ${formatSeconds(oldest)} ago`
}

const head = ['node', 'with', 'state', 'last exchange', 'partitions', 'differences', 'keys repaired', 'bytes', 'reason']

function row(name: string, exchange: RepairExchange): string[] {
  const { ageSeconds } = exchange
  return [
    name,
    exchange.name,
    exchange.state,
    typeof ageSeconds === 'number' ? `${formatSeconds(ageSeconds)} ago` : 'never',
    formatCount(exchange.partitions),
    formatCount(exchange.differences),
    formatCount(exchange.keysRepaired),
    formatBytes(exchange.bytes),
    exchange.reason ?? '-',
  ]
}
