import type { Finding } from './run-directory.ts'

/** What a node calls a bug of its own, whatever was done to it. */
const signs = [
  'InvariantViolation',
  'a bug of Starling',
  'a request met a bug',
  'two values claim to be the same write',
]
const lineCharactersTold = 300

/** @param log JSON Lines of one node */
export function bugsIn(node: string, log: string): readonly Finding[] {
  const lines = log.split('\n').filter((line) => signs.some((sign) => line.includes(sign)))
  const [first] = lines
  if (first === undefined) return []
  const count = lines.length === 1 ? '' : ` (${lines.length} times)`
  return [{ verdict: 'invalid', reason: `${node} logged a bug${count}: ${first.slice(0, lineCharactersTold)}` }]
}
