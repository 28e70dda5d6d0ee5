import { readFileSync } from 'node:fs'
import type { Environment } from '../environment.ts'
import type { Run } from '../measure.ts'
import type { BenchOptions } from '../options.ts'
import type { AgainstRow } from './against.ts'
import type { DerivedRow } from './elsewhere.ts'
import type { Row } from './rows.ts'
import type { Spread } from './statistics.ts'
import type { Verdict } from './verdicts.ts'

/** Counts up when a field changes its meaning or goes; a new one leaves it as it is. */
export const schemaVersion = 1

/** All that a run found: what `--json` writes. */
export interface Report {
  readonly schema: typeof schemaVersion
  /** ISO 8601. */
  readonly at: string
  readonly environment: Environment
  readonly options: BenchOptions
  readonly yardstickMicros: Spread
  readonly rows: readonly Row[]
  readonly derived: readonly DerivedRow[]
  readonly against: readonly AgainstRow[]
  readonly verdicts: readonly Verdict[]
  readonly runs: readonly Run[]
}

/** @throws TypeError for what is no report, or one of another schema */
export function readReport(path: string): Report {
  let found: unknown
  try {
    found = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new TypeError(`${path} is no report of --json: ${(error as Error).message}`)
  }
  const schema = typeof found === 'object' && found !== null && 'schema' in found ? found.schema : undefined
  if (schema === schemaVersion) return found as Report
  throw new TypeError(`${path} has schema ${String(schema)}, and this bench reads ${schemaVersion}: measure again`)
}
