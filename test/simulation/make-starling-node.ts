import { StarlingNode } from '../../lib/node/node.ts'
import { mergeRecords } from '../../lib/protocol/causality/merge.ts'
import type { NodeMaker } from './cluster.ts'

/** The real node, as production wires it but for its ports. */
export const makeStarlingNode: NodeMaker = (ports, settings, parts) =>
  new StarlingNode(ports, settings, { merge: mergeRecords, ...parts })
