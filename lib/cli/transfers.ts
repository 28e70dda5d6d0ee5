import type { Transfer, Transfers } from '../http-client/repair-answers.ts'
import { requestOptions } from './client-options.ts'
import { type AnswersOfNodes, askEachNode, type EachNodeOptions, reportMissing } from './each-node.ts'
import { writeJson, writeLine } from './output.ts'
import { formatCount, formatTable } from './table.ts'
import { formatBytes, formatSeconds } from './units.ts'
import { showOrWatch, type WatchOptions } from './watch.ts'
import { type Extent, formatWork, fractionDone, nothingYet, widened, workLeftOf } from './work-left.ts'

export async function transfers(options: EachNodeOptions & WatchOptions): Promise<void> {
  // While watching, progress is measured against the most that was seen to be left.
  let extent: Extent = nothingYet
  await showOrWatch(options, async () => {
    const asked = await askEachNode(options, (client) => client.transfers(requestOptions(options)))
    if (options.json) await writeJson('Transfers', asJson(asked))
    else {
      const work = workLeftOf(asked.answers.flatMap(({ answer }) => answer.transfers))
      extent = widened(extent, work)
      await writeLine(format(asked))
      if (options.watch !== undefined && (work.partitions > 0 || work.bytes > 0)) {
        await writeLine(formatWork(work, fractionDone(work, extent)))
      }
    }
    reportMissing(asked.missing)
  })
}

function asJson({ answers, missing }: AnswersOfNodes<Transfers>) {
  return {
    transfers: answers.flatMap(({ node, name, answer }) =>
      answer.transfers.map((transfer) => ({ node, nodeName: name, ...transfer })),
    ),
    nodes: answers.map(({ node, name }) => ({ node, name })),
    missing,
  }
}

function format({ answers }: AnswersOfNodes<Transfers>): string {
  const rows = answers.flatMap(({ name, answer }) => answer.transfers.map((transfer) => row(name, transfer)))
  const title = `${answers.length} nodes asked: ${rows.length === 0 ? 'nothing moves' : `${rows.length} transfers`}`
  return rows.length === 0 ? title : `${title}\n${formatTable(head, rows)}`
}

const head = ['from', 'to', 'kind', 'partitions left', 'keys left', 'bytes left', 'rate', 'ends in']

function row(name: string, transfer: Transfer): string[] {
  const { kind, partitionsLeft, keysLeft, bytesLeft, bytesPerSecond, etaSeconds } = transfer
  // Hints leave the node that tells of them; what is recovered comes to it.
  const way = kind === 'hints' || kind === 'hand-back' ? [name, transfer.name] : [transfer.name, name]
  return [
    ...way,
    kind,
    orDash(partitionsLeft, formatCount),
    orDash(keysLeft, formatCount),
    orDash(bytesLeft, formatBytes),
    orDash(bytesPerSecond, (rate) => `${formatBytes(rate)}/s`),
    orDash(etaSeconds, formatSeconds),
  ]
}

function orDash(value: number | null | undefined, format: (value: number) => string): string {
  return value === null || value === undefined ? '-' : format(value)
}
