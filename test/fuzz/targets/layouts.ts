import { isDeepStrictEqual } from 'node:util'
import type { LayoutDocument } from '../../../lib/protocol/layout/layout-document.ts'
import { layoutHash } from '../../../lib/protocol/layout/layout-hash.ts'
import { mergeDocuments } from '../../../lib/protocol/layout/merge-documents.ts'
import { decodeLayoutDocument, encodeLayoutDocument } from '../../../lib/wire/layout-document.ts'
import { UnreadableBytes } from '../../../lib/wire/unreadable-bytes.ts'
import { hash } from '../../wire/fixtures/hash.ts'
import { layoutDocument } from '../../wire/fixtures/layout-arbitraries.ts'
import { must, type Target, type Trial, unlessRefused } from '../target.ts'
import { samplesOf } from './samples.ts'

/** What nodes tell each other of who owns what, and what stands in the store of each. */
export const layouts: Target = {
  name: 'layouts',
  summary:
    'layout documents: one that is written again as it was and merges with others either way, or UnreadableBytes',
  seeds: () => samplesOf(layoutDocument).map(encodeLayoutDocument),
  bytesMax: 4096,
  // A list of nodes is looked through for each of them, and a table for each partition.
  stepsMax: { base: 20_000, each: 2_000 },
  inputsInTests: 100_000,
  open,
}

function open(): Trial {
  /** The one before: two documents of two strangers meet. */
  let before: LayoutDocument | undefined
  return {
    run(input) {
      const document = unlessRefused([UnreadableBytes], () => decodeLayoutDocument(input, layoutHash, hash))
      if (document === undefined) return
      const again = decodeLayoutDocument(encodeLayoutDocument(document), layoutHash, hash)
      must(isDeepStrictEqual(again, document), 'a document comes back as it was')
      must(mergeDocuments(document, again).ok, 'it is at one with itself')
      if (before !== undefined) {
        const [one, other] = [mergeDocuments(before, document), mergeDocuments(document, before)]
        must(one.ok === other.ok, 'whether two documents can meet does not depend on who is asked')
      }
      before = document
    },
  }
}
