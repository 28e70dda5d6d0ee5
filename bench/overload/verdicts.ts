/** One thing that a run must show, and what it showed. */
export interface Verdict {
  readonly what: string
  readonly isKept: boolean
  readonly found: string
}

export function printVerdicts(title: string, verdicts: readonly Verdict[]): void {
  console.log(`\n${title}`)
  for (const { what, isKept, found } of verdicts)
    console.log(`  ${isKept ? 'ok    ' : 'MISSED'} ${what.padEnd(62)} ${found}`)
}
