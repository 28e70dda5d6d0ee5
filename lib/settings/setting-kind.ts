import { type Endpoint, parseEndpoint, toEndpoint } from '../vocabulary/ids.ts'

/** A setting as it was written: text from a flag or a variable, a value of TOML from the file. */
export type RawSetting = string | number | boolean | readonly RawSetting[]

type Parsed<Value> =
  | { readonly ok: true; readonly value: Value }
  /** Completes the sentence `--flag "..." ...`. */
  | { readonly ok: false; readonly problem: string }

/** What values of one sort look like, and how they are read. */
export interface SettingKind<Value> {
  /** For `--help` and the table: `HOST:PORT`. Empty for a switch. */
  readonly placeholder: string
  /** What is accepted, in words. */
  readonly range: string
  /** The words to choose from, for a choice. */
  readonly choices?: readonly string[]
  readonly parse: (raw: RawSetting) => Parsed<Value>
}

export function text(range: string, pattern: RegExp, placeholder: string): SettingKind<string> {
  return {
    placeholder,
    range,
    parse: (raw) =>
      typeof raw === 'string' && pattern.test(raw) ? accepted(raw) : refused(`is not accepted: ${range}`),
  }
}

/** An integer from `min` to `max`, both included. */
export function integer(min: number, max: number, options: { powerOfTwo?: boolean } = {}): SettingKind<number> {
  const range = `${min} to ${max}${options.powerOfTwo === true ? ', a power of two' : ''}`
  return {
    placeholder: 'N',
    range,
    parse(raw) {
      const value = typeof raw === 'string' && /^\d{1,9}$/.test(raw) ? Number(raw) : raw
      const fits =
        typeof value === 'number' &&
        Number.isInteger(value) &&
        value >= min &&
        value <= max &&
        (options.powerOfTwo !== true || Number.isInteger(Math.log2(value)))
      return fits ? accepted(value) : refused(`is not a whole number in range: ${range}`)
    },
  }
}

export function choice<const Words extends readonly string[]>(words: Words): SettingKind<Words[number]> {
  return {
    placeholder: words.join('|'),
    range: words.join(', '),
    choices: words,
    parse(raw) {
      const word = words.find((known) => known === raw)
      return word === undefined ? refused(`is none of ${words.join(', ')}`) : accepted(word)
    },
  }
}

/** `--flag` alone means true; a variable or `--flag=false` may say it in words. */
export function onOrOff(): SettingKind<boolean> {
  return {
    placeholder: '',
    range: 'true, false',
    choices: ['true', 'false'],
    parse(raw) {
      if (raw === true || raw === 'true' || raw === '1') return accepted(true)
      if (raw === false || raw === 'false' || raw === '0') return accepted(false)
      return refused('is neither true nor false')
    },
  }
}

/** `HOST:PORT`; an IPv6 host stands in brackets. Port 0, where a node listens, asks the system for a free port. */
export function endpoint(options: { portMin: 0 | 1 }): SettingKind<Endpoint> {
  return {
    placeholder: 'HOST:PORT',
    range: `HOST:PORT, port ${options.portMin} to 65535; an IPv6 host stands in brackets`,
    parse: (raw) => parseOneEndpoint(raw, options.portMin),
  }
}

/** Endpoints with commas between them, or an array in the file; empty: none. */
export function endpoints(): SettingKind<readonly Endpoint[]> {
  return {
    placeholder: 'HOST:PORT,...',
    range: 'HOST:PORT with commas between them; in the file also an array',
    parse(raw) {
      const items = typeof raw === 'string' ? raw.split(',').map((item) => item.trim()) : raw
      if (!Array.isArray(items)) return refused('is not a list of HOST:PORT')
      const found: Endpoint[] = []
      for (const item of items as readonly RawSetting[]) {
        if (item === '') continue
        const one = parseOneEndpoint(item, 1)
        if (!one.ok) return refused(`holds ${JSON.stringify(item)}, which ${one.problem}`)
        found.push(one.value)
      }
      return accepted(found)
    },
  }
}

/** Origins of web pages, as browsers write them, with commas between them, or an array in the file; empty: none. */
export function origins(): SettingKind<readonly string[]> {
  return {
    placeholder: 'ORIGIN,...',
    range:
      'http:// or https://, a host, and a port where it is not the usual one, with commas between them; in the file also an array',
    parse(raw) {
      const items = typeof raw === 'string' ? raw.split(',').map((item) => item.trim()) : raw
      if (!Array.isArray(items)) return refused('is not a list of origins')
      const found: string[] = []
      for (const item of items as readonly RawSetting[]) {
        if (item === '') continue
        if (!isOrigin(item))
          return refused(`holds ${JSON.stringify(item)}, which is no origin such as https://shop.example`)
        found.push(item)
      }
      return accepted(found)
    },
  }
}

/** Just as a browser says it: with a path, a star or capitals it would never be the same. */
function isOrigin(item: RawSetting): item is string {
  if (typeof item !== 'string' || !/^https?:\/\/[^*]+$/.test(item)) return false
  try {
    return new URL(item).origin === item
  } catch {
    return false
  }
}

function parseOneEndpoint(raw: RawSetting, portMin: number): Parsed<Endpoint> {
  const parts = typeof raw === 'string' ? parseEndpoint(raw) : undefined
  if (parts === undefined) return refused('is not HOST:PORT')
  if (parts.port < portMin) return refused('has port 0, which nobody can connect to')
  return accepted(toEndpoint(raw as string))
}

function accepted<Value>(value: Value): Parsed<Value> {
  return { ok: true, value }
}

function refused<Value>(problem: string): Parsed<Value> {
  return { ok: false, problem }
}
