import { bucketsExamples } from './buckets.ts'
import { clusterExamples } from './cluster.ts'
import { documentsExamples } from './documents.ts'
import type { Example } from './example.ts'
import { layoutExamples } from './layout.ts'
import { manyExamples } from './many.ts'
import { nodesExamples } from './nodes.ts'
import { secretExamples } from './secret.ts'
import { tokensExamples } from './tokens.ts'
import { writesExamples } from './writes.ts'

/**
 * A story: on a new cluster of three nodes, `n1` being asked, each request comes out as it says when all before it were
 * made. A test tells it again on real nodes.
 */
export const examples: readonly Example[] = [
  ...writesExamples,
  ...manyExamples,
  ...bucketsExamples,
  ...tokensExamples,
  ...secretExamples,
  ...clusterExamples,
  ...documentsExamples,
  ...layoutExamples,
  ...nodesExamples,
]

/** HEAD has the examples of GET, without their bodies. */
export function examplesOf(operation: string): readonly Example[] {
  const isHead = operation.startsWith('head-')
  const found = examples.filter(
    (example) => example.operation === (isHead ? operation.slice('head-'.length) : operation),
  )
  return isHead ? found.map(withoutBody) : found
}

function withoutBody(example: Example): Example {
  const { mediaType: _type, body: _body, ...answer } = example.answer
  return { ...example, answer }
}
