import type { RunRecord } from '../run-directory.ts'
import type { Results } from './anomalies.ts'

/** What a page is about: a run of real processes, or of simulated ones. */
export interface Subject {
  readonly title: string
  readonly verdict: RunRecord['verdict']
  readonly reasons: readonly string[]
  readonly results: Results
  /** Empty: whatever was done to the cluster was not proved to be felt, or nothing was done. */
  readonly bites: RunRecord['bites']
  /** How it was set up, by name. */
  readonly setting: readonly (readonly [name: string, value: string])[]
  readonly commands: readonly { readonly purpose: string; readonly command: string }[]
  readonly capabilities: RunRecord['capabilities']
  /** What lies beside the page, by paths relative to it. */
  readonly files: readonly string[]
}

const lagMsMax = 50

export function subjectOfRun(record: RunRecord, directory: string, files: readonly string[]): Subject {
  const { workload, nemesis, network, nodes, seconds, seed, lagP99Ms } = record
  const again = `npm run jepsen-lite -- --workload ${workload} --nemesis ${nemesis} --nodes ${nodes} --time ${seconds} --seed ${seed} --net ${network}`
  return {
    title: `${workload} × ${nemesis}`,
    verdict: record.verdict,
    reasons: record.reasons,
    results: record.results,
    bites: record.bites,
    setting: [
      ['Workload', workload],
      ['Nemesis', nemesis],
      ['Network', network],
      ['Nodes', String(nodes)],
      ['Time under load', `${seconds} s`],
      ['Seed', String(seed)],
      ['Started', record.startedAt],
      ['Starling', `${record.version}, build ${record.build}`],
      ['Node.js', record.nodeVersion],
      [
        'Lag of the harness',
        `${lagP99Ms} ms at the 99th percentile${lagP99Ms > lagMsMax ? `: above ${lagMsMax} ms its latencies are its own` : ''}`,
      ],
    ],
    commands: [
      { purpose: 'Run it again: the same choices, though real processes race anew', command: again },
      {
        purpose: 'Check this history again, without a cluster',
        command: `npm run jepsen-lite -- check ${shellWord(directory)}`,
      },
    ],
    capabilities: record.capabilities,
    files,
  }
}

function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
