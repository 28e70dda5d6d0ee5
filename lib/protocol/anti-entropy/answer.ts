import {
  type CompareAnswer,
  type ExchangeQuestion,
  groupsOf,
  type LeafCell,
  selectPartitions,
} from './exchange-messages.ts'
import { branchCount, type XorTree } from './xor-tree.ts'

/** The trees of one side as they are now; undefined: it is being made, or must not be compared. */
export interface TreeReader {
  tree(partition: number): XorTree | undefined
}

type Question<Type extends ExchangeQuestion['type']> = Extract<ExchangeQuestion, { readonly type: Type }>
type Answer<Type extends CompareAnswer['type']> = Extract<CompareAnswer, { readonly type: Type }>

/** Undefined: the question is not about the partitions that both own. */
export function answerRoots(
  question: Question<'compare-roots'>,
  shared: readonly number[],
  trees: TreeReader,
): Answer<'roots-compared'> | undefined {
  const groups = groupsOf(selectPartitions(shared, question))
  if (groups.length !== question.groups.length) return undefined
  const busy: number[] = []
  const different: { group: number; roots: bigint[] }[] = []
  for (const [group, partitions] of groups.entries()) {
    let isWhole = true
    let digest = 0n
    const roots = partitions.map((partition) => {
      const root = trees.tree(partition)?.root
      if (root === undefined) busy.push(partition)
      isWhole &&= root !== undefined
      digest ^= root ?? 0n
      return root ?? 0n
    })
    if (!isWhole || digest !== question.groups[group]) different.push({ group, roots })
  }
  return { type: 'roots-compared', busy, groups: different }
}

/** Undefined: the question is not about partitions that both own. */
export function answerBranches(
  question: Question<'compare-branches'>,
  isShared: (partition: number) => boolean,
  trees: TreeReader,
): Answer<'branches-compared'> | undefined {
  const busy: number[] = []
  const different: { partition: number; branch: number; leaves: (readonly [number, bigint])[] }[] = []
  for (const { partition, branches } of question.partitions) {
    if (!isShared(partition)) return undefined
    const tree = trees.tree(partition)
    if (tree === undefined) {
      busy.push(partition)
      continue
    }
    for (let branch = 0; branch < branchCount; branch += 1) {
      if (tree.branch(branch) !== branches[branch]) {
        different.push({ partition, branch, leaves: [...tree.leaves(branch)] })
      }
    }
  }
  return { type: 'branches-compared', busy, branches: different }
}

/** Which of the leaves differ, by their place; what is in them has to be read. Undefined: not all are of partitions that both own. */
export function differingLeaves(
  leaves: readonly LeafCell[],
  isShared: (partition: number) => boolean,
  trees: TreeReader,
): { readonly busy: readonly number[]; readonly indexes: readonly number[] } | undefined {
  const busy = new Set<number>()
  const indexes: number[] = []
  for (const [index, { partition, leaf, hash }] of leaves.entries()) {
    if (!isShared(partition)) return undefined
    const tree = trees.tree(partition)
    if (tree === undefined) busy.add(partition)
    else if (tree.leaf(leaf) !== hash) indexes.push(index)
  }
  return { busy: [...busy], indexes }
}
