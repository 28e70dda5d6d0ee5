import Table from 'cli-table3'

type Cell = string | number

/** Rows under a head: with lines on a terminal, in plain columns two spaces apart elsewhere. */
export function formatTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const isTerminal = process.stdout.isTTY === true
  const table = new Table({
    head: isTerminal ? [...head] : head.map((word) => word.toUpperCase()),
    ...(isTerminal ? { style: { head: [], border: [] } } : plain),
  })
  for (const row of rows) table.push([...row])
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

/** Fields under each other, one row. */
export function formatFields(fields: readonly (readonly [name: string, value: Cell])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length))
  return fields.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')
}

export function formatShare(fraction: number): string {
  return `${(fraction * 100).toFixed(1)} %`
}

export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

const plain = {
  chars: {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '  ',
  },
  style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
}
