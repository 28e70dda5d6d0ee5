import { mergeRecords } from '../protocol/causality/merge.ts'
import type { NodeParts } from './node-settings.ts'

/** What every published node is made of. */
export const standardParts: NodeParts = { merge: mergeRecords }
