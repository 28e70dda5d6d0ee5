import { siblingsMax, ttlSecondsMax, valueBytesMax } from '../../vocabulary/limits.ts'
import { nearest } from '../../vocabulary/nearest.ts'
import type { KeyRecord } from '../causality/record.ts'
import type { Durability, QuorumLevel } from '../quorum/client-request.ts'
import type { ReadRepairMode } from '../quorum/read.ts'

/** How the requests for one bucket are carried out, as far as a request does not say itself. */
export interface BucketProperties {
  readonly r: QuorumLevel
  readonly w: QuorumLevel
  readonly pr: QuorumLevel
  readonly pw: QuorumLevel
  /** What becomes of writes that did not see each other. Fixed by the first write to the bucket (docs/rules.md A10). */
  readonly conflict: KeyRecord['mode']
  readonly durability: Durability
  /** Undefined: as each node was started. */
  readonly readRepair: ReadRepairMode | undefined
  /** Of puts that do not say; whole seconds; undefined: they never expire. */
  readonly ttlSeconds: number | undefined
  /** Siblings that a put may leave, 1 to 100. */
  readonly siblingsMax: number
  /** Bytes of one value, 1 to 8 MiB. */
  readonly valueBytesMax: number
  /** How often the properties were set; 0: never, they are the defaults. */
  readonly version: number
}

export type PropertyName = Exclude<keyof BucketProperties, 'version'>

/** Of every bucket that nobody has given any. */
export const propertiesDefault: BucketProperties = {
  r: 'quorum',
  w: 'quorum',
  pr: 0,
  pw: 0,
  conflict: 'siblings',
  durability: 'os',
  readRepair: undefined,
  ttlSeconds: undefined,
  siblingsMax,
  valueBytesMax,
  version: 0,
}

export const propertyNames = Object.keys(propertiesDefault).filter((name) => name !== 'version') as PropertyName[]

export interface PropertyProblem {
  readonly message: string
  readonly hint: string
}

/** What was asked for, checked: the properties, and the version they are to replace if that was said. */
export type CheckedProperties =
  | { readonly properties: BucketProperties; readonly ifVersion: number | undefined; readonly problem?: undefined }
  | { readonly problem: PropertyProblem }

/**
 * Makes properties of what a client gave: names with their values; what is left out, undefined or null, is the default.
 * A `version` among them is the one they are meant to replace, so that what was read may be changed and sent back.
 *
 * @param replicaCount N: no level asks for more
 */
export function checkProperties(given: Readonly<Record<string, unknown>>, replicaCount: number): CheckedProperties {
  const checked: Record<string, unknown> = { ...propertiesDefault }
  let ifVersion: number | undefined
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null) continue
    if (name === 'version') {
      if (!isIntegerIn(value, 0, Number.MAX_SAFE_INTEGER)) {
        return { problem: outside('version', 'the version that is to be replaced, an integer from 0', value) }
      }
      ifVersion = value
      continue
    }
    const rule = Object.hasOwn(rules, name) ? rules[name as PropertyName] : undefined
    if (rule === undefined) return { problem: unknown(name) }
    if (!rule.accepts(value, replicaCount)) return { problem: outside(name, rule.expects(replicaCount), value) }
    checked[name] = value
  }
  return { properties: checked as unknown as BucketProperties, ifVersion }
}

interface Rule {
  accepts(value: unknown, replicaCount: number): boolean
  /** Closes the sentence "must be ...". */
  expects(replicaCount: number): string
}

const levelWords = ['one', 'quorum', 'all']

const rules: Readonly<Record<PropertyName, Rule>> = {
  r: level(1),
  w: level(1),
  pr: level(0),
  pw: level(0),
  conflict: word(['siblings', 'lww']),
  durability: word(['os', 'disk']),
  readRepair: word(['blocking', 'async', 'off']),
  ttlSeconds: integer(1, ttlSecondsMax),
  siblingsMax: integer(1, siblingsMax),
  valueBytesMax: integer(1, valueBytesMax),
}

function level(least: number): Rule {
  return {
    accepts: (value, replicaCount) =>
      isIntegerIn(value, least, replicaCount) || (typeof value === 'string' && levelWords.includes(value)),
    expects: (replicaCount) => `an integer from ${least} to ${replicaCount}, or one, quorum or all`,
  }
}

function word(words: readonly string[]): Rule {
  const expected = `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
  return { accepts: (value) => typeof value === 'string' && words.includes(value), expects: () => expected }
}

function integer(least: number, most: number): Rule {
  return {
    accepts: (value) => isIntegerIn(value, least, most),
    expects: () => `an integer from ${least} to ${most}`,
  }
}

function isIntegerIn(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most
}

function outside(name: string, expected: string, value: unknown): PropertyProblem {
  return {
    message: `the property "${name}" must be ${expected}, not ${shown(value)}`,
    hint: 'Leave it out for its default.',
  }
}

function unknown(name: string): PropertyProblem {
  const meant = nearest(name, propertyNames)
  return {
    message: `there is no property "${name.slice(0, 80)}"`,
    hint: `Did you mean "${meant}"? Known: ${propertyNames.join(', ')}.`,
  }
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? `"${value}"` : (JSON.stringify(value) ?? typeof value)
  return text.length > 80 ? `${text.slice(0, 80)}...` : text
}
