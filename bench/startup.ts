import { execFileSync } from 'node:child_process'
import { type Spread, spreadOf } from './report/statistics.ts'
import { programAt } from './systems/system.ts'

/** What a person waits for at a terminal. */
export interface Startup {
  /** One plan for 30 nodes and 1024 partitions, in a process that has planned nothing before. */
  readonly planMs: Spread
  /** `starling --version`, from the start of the process to its end. */
  readonly versionMs: Spread
}

const versionRounds = 9
const planRounds = 3

export function measureStartup(): Startup {
  const planMs = Array.from({ length: planRounds }, () => {
    const printed = execFileSync(process.execPath, [programAt('bench/parts/plan-time.js')], { encoding: 'utf8' })
    return (JSON.parse(printed) as { readonly planMs: number }).planMs
  })
  const versionMs = Array.from({ length: versionRounds }, () => {
    const startMs = performance.now()
    execFileSync(process.execPath, [programAt('bin/starling.js'), '--version'])
    return performance.now() - startMs
  })
  return { planMs: spreadOf(planMs) as Spread, versionMs: spreadOf(versionMs) as Spread }
}
