/** The part of JSON Schema 2020-12 (the dialect of OpenAPI 3.1) that Starling's documents use. */
export interface JsonSchema {
  readonly description?: string
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | JsonSchema
  readonly items?: JsonSchema
  readonly enum?: readonly (string | boolean)[]
  readonly anyOf?: readonly JsonSchema[]
  readonly pattern?: string
  readonly format?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly default?: unknown
  readonly contentEncoding?: string
  readonly $ref?: string
}

const optionalSchemas = new WeakSet<JsonSchema>()

export function text(description: string, more: JsonSchema = {}): JsonSchema {
  return { type: 'string', description, ...more }
}

export function integer(description: string, more: JsonSchema = {}): JsonSchema {
  return { type: 'integer', description, ...more }
}

export function number(description: string, more: JsonSchema = {}): JsonSchema {
  return { type: 'number', description, ...more }
}

export function boolean(description: string): JsonSchema {
  return { type: 'boolean', description }
}

export function oneOfWords(description: string, words: readonly string[]): JsonSchema {
  return { type: 'string', enum: words, description }
}

export function array(description: string, items: JsonSchema): JsonSchema {
  return { type: 'array', items, description }
}

/** An object with exactly these properties, all required but those marked `optional`. */
export function object(description: string, properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  const required = Object.keys(properties).filter((name) => !optionalSchemas.has(properties[name] as JsonSchema))
  return { type: 'object', description, properties, required, additionalProperties: false }
}

/** An object with any names, whose values are all alike. */
export function record(description: string, values: JsonSchema): JsonSchema {
  return { type: 'object', description, additionalProperties: values }
}

/** Marks a property that may be absent. */
export function optional(schema: JsonSchema): JsonSchema {
  const copy = { ...schema }
  optionalSchemas.add(copy)
  return copy
}

/** The same, or null. */
export function nullable(schema: JsonSchema): JsonSchema {
  return { ...schema, type: [schema.type as string, 'null'] }
}
