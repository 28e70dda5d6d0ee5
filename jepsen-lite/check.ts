import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseHistory } from '../test/checkers/history.ts'
import type { RunRecord } from './run-directory.ts'
import { judge } from './verdict.ts'
import type { Workload } from './workload.ts'

/** Judges a run again by what it left behind, without a cluster. @throws Error where there is no run, or of an unknown workload */
export function checkRun(directory: string, workloads: readonly Workload[]): RunRecord {
  const run = readRun(directory)
  if (run.verdict === 'skipped') return run
  const workload = workloads.find(({ name }) => name === run.workload)
  if (workload === undefined) throw new Error(`there is no workload ${run.workload} any more`)
  const records = parseHistory(readFileSync(join(directory, 'history.jsonl'), 'utf8'))
  const { verdict, reasons, results } = judge(workload, run, records)
  return { ...run, verdict, reasons, results }
}

export function readRun(directory: string): RunRecord {
  return JSON.parse(readFileSync(join(directory, 'run.json'), 'utf8')) as RunRecord
}
