import { InvalidParameter } from '../vocabulary/errors.ts'
import { nearest } from '../vocabulary/nearest.ts'
import type { JsonSchema } from './json-schema.ts'

/** One query parameter: how it is read and how it is documented. */
export interface Parameter<Value> {
  readonly description: string
  readonly schema: JsonSchema
  /** What it is when the request does not say. */
  readonly fallback: Value
  /** Undefined when `text` is not a value of it. `text` is never empty. */
  parse(text: string): Exclude<Value, undefined> | undefined
  /** Closes the sentence "must be ...". */
  readonly expects: string
}

export type Parameters = Readonly<Record<string, Parameter<unknown>>>

export type ValuesOf<Declared extends Parameters> = {
  readonly [Name in keyof Declared]: Declared[Name] extends Parameter<infer Value> ? Value : never
}

/** Reads the queries of one request by its declared parameters. */
export class QueryReader<Declared extends Parameters> {
  readonly parameters: Declared
  readonly #known: ReadonlyMap<string, Parameter<unknown>>
  /** Known elsewhere, but not yet served: name and why. */
  readonly #later: Readonly<Record<string, string>>
  readonly #fallbacks: ValuesOf<Declared>

  constructor(parameters: Declared, later: Readonly<Record<string, string>> = {}) {
    this.parameters = parameters
    this.#known = new Map(Object.entries(parameters))
    this.#later = later
    const fallbacks: Record<string, unknown> = {}
    for (const [name, parameter] of this.#known) fallbacks[name] = parameter.fallback
    this.#fallbacks = fallbacks as ValuesOf<Declared>
  }

  /**
   * @param query what stands behind the question mark; a plus sign is a space, as in forms
   * @throws {InvalidParameter} for what is unknown, repeated, empty or not a value
   */
  read(query: string): ValuesOf<Declared> {
    if (query === '') return this.#fallbacks
    const values: Record<string, unknown> = { ...this.#fallbacks }
    const seen: string[] = []
    for (const piece of query.split('&')) {
      if (piece === '') continue
      const equals = piece.indexOf('=')
      const name = decode(equals === -1 ? piece : piece.slice(0, equals))
      const value = equals === -1 ? '' : decode(piece.slice(equals + 1))
      const parameter = this.#known.get(name)
      if (parameter === undefined) throw this.#unknown(name)
      if (seen.includes(name)) throw new InvalidParameter(`the parameter "${name}" is given twice`)
      seen.push(name)
      const parsed = value === '' ? undefined : parameter.parse(value)
      if (parsed === undefined) {
        throw new InvalidParameter(`the parameter "${name}" must be ${parameter.expects}, not "${shorten(value)}"`)
      }
      values[name] = parsed
    }
    return values as ValuesOf<Declared>
  }

  #unknown(name: string): InvalidParameter {
    const later = Object.hasOwn(this.#later, name) ? this.#later[name] : undefined
    if (later !== undefined) return new InvalidParameter(`the parameter "${name}" ${later}`)
    const known = [...this.#known.keys()]
    const meant = nearest(name, known)
    return new InvalidParameter(`there is no parameter "${shorten(name)}" here`, {
      hint:
        meant === undefined
          ? 'This request takes no parameters.'
          : `Did you mean "${meant}"? Known here: ${known.join(', ')}.`,
    })
  }
}

/** For requests without parameters. */
export const noQuery = new QueryReader({})

function decode(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw new InvalidParameter('the query is not percent-encoded UTF-8')
  }
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}...` : text
}
