/** One measured figure, against what was promised of it. */
export interface Judged {
  readonly what: string
  readonly value: number
  readonly unit: string
  /** The most it may be; undefined: nothing was promised. */
  readonly limit: number | undefined
  readonly aim: number | undefined
}

export function isKept({ value, limit }: Judged): boolean {
  return limit === undefined || value <= limit
}

/** One line for each. */
export function printJudged(all: readonly Judged[]): string {
  return all.map(line).join('\n')
}

function line(judged: Judged): string {
  const { what, value, unit, limit, aim } = judged
  const found = `${what}: ${round(value)} ${unit}`
  if (limit === undefined) return `        ${found}`
  return `${isKept(judged) ? 'ok      ' : 'MISSED  '}${found}, at most ${limit}${aim === undefined ? '' : ` (aim ${aim})`}`
}

function round(value: number): string {
  if (value >= 100) return value.toFixed(0)
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
