import { parseSync } from 'oxc-parser'

/** Where the counters of the running process lie; what is instrumented looks there, and so does who reads them. */
export const coverageName = 'starlingCoverage'
/** Counters of the whole program; beyond it two branches share one, as in AFL. A power of two. */
export const countersMax = 65_536

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
}

interface Edit {
  readonly at: number
  readonly text: string
}

/**
 * The same module, which counts how often each of its branches is taken, and how many functions and rounds of loops it
 * has begun: that is its measure of time, on every machine the same.
 *
 * Branches are: functions, both sides of `if` (also the one that is not written), `?:`, what is behind `&&`, `||` and `??`,
 * bodies of loops, cases, and what catches.
 *
 * @param first the number of its first counter; the next module's begin behind the last one
 */
export function instrument(source: string, name: string, first: number): { code: string; counters: number } {
  const { program, errors } = parseSync(name, source)
  const [error] = errors
  if (error !== undefined) throw new SyntaxError(`${name}: ${error.message}`)
  const edits: Edit[] = []
  let counters = 0
  const count = (): string => {
    counters += 1
    return `$c[${(first + counters - 1) % countersMax}]++`
  }
  const step = 'if(--$s.left<0)$s.over();'
  const insert = (at: number, text: string): void => void edits.push({ at, text })
  const intoBlock = (block: Node, more = ''): void => insert(block.start + 1, `${more}${count()};`)
  /** Everything in front of what lies inside `node` must be asked for before its children are walked, the rest after. */
  const around = (node: Node, before: string, behind: string, walkInside: () => void): void => {
    insert(node.start, before)
    walkInside()
    insert(node.end, behind)
  }

  const walkExpression = (node: Node): void => around(node, `(${count()},`, ')', () => walk(node))
  const walkBody = (node: Node, more = ''): void => {
    if (node.type !== 'BlockStatement') return around(node, `{${more}${count()};`, '}', () => walk(node))
    intoBlock(node, more)
    walk(node)
  }

  const walk = (node: Node): void => {
    const parts = node as Node & Record<string, unknown>
    const part = (key: string): Node => parts[key] as Node
    const rest = (...done: readonly string[]): void => {
      for (const [key, value] of Object.entries(parts)) if (!done.includes(key)) walkAny(value)
    }
    switch (node.type) {
      case 'FunctionDeclaration':
      case 'FunctionExpression':
        rest('body')
        if (part('body') != null) walkBody(part('body'), step)
        return
      case 'ArrowFunctionExpression':
        rest('body')
        return part('body').type === 'BlockStatement' ? walkBody(part('body'), step) : walkExpression(part('body'))
      case 'IfStatement':
        walk(part('test'))
        walkBody(part('consequent'))
        if (part('alternate') == null) return insert(node.end, `else{${count()}}`)
        return part('alternate').type === 'IfStatement' ? walk(part('alternate')) : walkBody(part('alternate'))
      case 'ConditionalExpression':
        walk(part('test'))
        walkExpression(part('consequent'))
        return walkExpression(part('alternate'))
      case 'LogicalExpression':
        walk(part('left'))
        return walkExpression(part('right'))
      case 'WhileStatement':
      case 'DoWhileStatement':
      case 'ForStatement':
      case 'ForInStatement':
      case 'ForOfStatement':
        rest('body')
        return walkBody(part('body'), step)
      case 'SwitchCase': {
        const [statement] = parts.consequent as readonly Node[]
        if (statement !== undefined) insert(statement.start, `${count()};`)
        return rest()
      }
      case 'CatchClause':
        return walkBody(part('body'))
      default:
        return rest()
    }
  }
  const walkAny = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) walkAny(item)
    else if (typeof value === 'object' && value !== null && 'type' in value && 'start' in value) walk(value as Node)
  }

  walk(program as unknown as Node)
  const head = `const{counters:$c,steps:$s}=globalThis.${coverageName};`
  return { code: head + edited(source, edits), counters }
}

/** Edits at one place stand in the order in which they were asked for. */
function edited(source: string, edits: readonly Edit[]): string {
  const sorted = edits.map((edit, index) => ({ ...edit, index })).sort((a, b) => a.at - b.at || a.index - b.index)
  const parts: string[] = []
  let from = 0
  for (const { at, text } of sorted) {
    parts.push(source.slice(from, at), text)
    from = at
  }
  parts.push(source.slice(from))
  return parts.join('')
}
