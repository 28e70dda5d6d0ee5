import { checkAcknowledgedWrites } from '../../test/checkers/check-acknowledged-writes.ts'
import { checkContextTokens } from '../../test/checkers/check-context-tokens.ts'
import { checkContexts } from '../../test/checkers/check-contexts.ts'
import { checkFreshness } from '../../test/checkers/check-freshness.ts'
import type { HistoryRecord } from '../../test/checkers/history.ts'
import type { NamedResult } from '../workload.ts'
import { type AskOptions, strictQuorums } from './door.ts'
import { copies, named, noPromises, strictPromises } from './judge.ts'
import { drawn } from './read-merge-write.ts'

const strictly = 'strict-'
const sloppily = 'sloppy-'

/** Half of the keys are asked for by strict quorums; on the others whoever is in reach may stand in. */
export function mixedKeys(fraction: () => number, prefix: string, countOfEachKind: number): () => string {
  return () => drawn(fraction, `${prefix}${fraction() < 0.5 ? strictly : sloppily}`, countOfEachKind)
}

export function optionsOfMixed(key: string): AskOptions {
  return isStrict(key) ? strictQuorums : {}
}

/** Each kind of key by what it promises. */
export function judgeMixed(records: readonly HistoryRecord[]): readonly NamedResult[] {
  const strict = records.filter(({ k }) => k !== undefined && isStrict(k))
  const sloppy = records.filter(({ k }) => k !== undefined && !isStrict(k))
  return [
    named('acknowledged writes', checkAcknowledgedWrites(records)),
    named('contexts', checkContexts(sloppy, noPromises)),
    named('contexts at strict quorums', checkContexts(strict, strictPromises)),
    named('tokens', checkContextTokens(records)),
    named('fresh and monotone reads at strict quorums', checkFreshness(strict, strictPromises)),
    copies(records),
  ]
}

function isStrict(key: string): boolean {
  return key.includes(strictly)
}
