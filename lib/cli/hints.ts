import type { Hints } from '../http-client/repair-answers.ts'
import { requestOptions } from './client-options.ts'
import { type AnswersOfNodes, askEachNode, type EachNodeOptions, reportMissing } from './each-node.ts'
import { writeJson, writeLine } from './output.ts'
import { formatCount, formatTable } from './table.ts'
import { formatBytes, formatSeconds } from './units.ts'
import { showOrWatch, type WatchOptions } from './watch.ts'

export async function hints(options: EachNodeOptions & WatchOptions): Promise<void> {
  await showOrWatch(options, async () => {
    const asked = await askEachNode(options, (client) => client.hints(requestOptions(options)))
    if (options.json) await writeJson('Hints', asJson(asked))
    else await writeLine(format(asked))
    reportMissing(asked.missing)
  })
}

function asJson({ answers, missing }: AnswersOfNodes<Hints>) {
  return {
    hints: answers.flatMap(({ node, name, answer }) =>
      answer.hints.map((hint) => ({ holder: node, holderName: name, ...hint })),
    ),
    held: total(answers),
    nodes: answers.map(({ node, name, answer }) => ({ node, name, held: answer.held })),
    missing,
  }
}

function format({ answers }: AnswersOfNodes<Hints>): string {
  const rows = answers.flatMap(({ name, answer }) =>
    answer.hints.map((hint) => [
      name,
      hint.name,
      formatCount(hint.count),
      formatBytes(hint.bytes),
      hint.count === 0 ? '-' : formatSeconds(hint.oldestSeconds),
      hint.state,
      hint.dirtyPartitions === 0 ? '-' : formatCount(hint.dirtyPartitions),
      hint.lastError ?? '-',
    ]),
  )
  const { count, bytes } = total(answers)
  const title = `${answers.length} nodes asked: ${formatCount(count)} hints, ${formatBytes(bytes)}`
  return rows.length === 0 ? title : `${title}\n${formatTable(head, rows)}`
}

const head = ['held by', 'for', 'hints', 'bytes', 'oldest', 'state', 'dirty', 'last error']

function total(answers: AnswersOfNodes<Hints>['answers']): { readonly count: number; readonly bytes: number } {
  return answers.reduce(
    (sum, { answer }) => ({ count: sum.count + answer.held.count, bytes: sum.bytes + answer.held.bytes }),
    { count: 0, bytes: 0 },
  )
}
