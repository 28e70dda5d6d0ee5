import { parse as parseToml, TomlError } from 'smol-toml'
import { InvalidParameter } from '../vocabulary/errors.ts'
import { nearest } from '../vocabulary/nearest.ts'
import { checkAddresses } from './check-addresses.ts'
import { type Setting, type SettingName, type Settings, settingNames, settingsSchema } from './schema.ts'
import type { RawSetting } from './setting-kind.ts'

export type SettingSource = 'flag' | 'environment' | 'file' | 'default'

export interface SettingsInput {
  /** By flag name without hyphens, as typed; `true` for a flag without a value. */
  readonly flags?: Readonly<Record<string, string | true | undefined>>
  readonly env?: Readonly<Record<string, string | undefined>>
  /** The content of the settings file; undefined when there is none. */
  readonly tomlText?: string | undefined
}

export interface ResolvedSettings {
  readonly settings: Settings
  readonly sources: Readonly<Record<SettingName, SettingSource>>
  /** Sentences for the log: variables that look like ours and are not. */
  readonly warnings: readonly string[]
}

/** Variables of the same prefix that other parts of Starling read. */
const otherVariables = ['STARLING_ENDPOINT', 'STARLING_TOKEN']

/**
 * Each setting's value and where it came from: flag, else environment, else file, else default.
 *
 * @throws {InvalidParameter} for an unknown flag or key of the file, a value out of range, or addresses that others could
 * not use; the message says which, the hint what to do
 */
export function resolveSettings(input: SettingsInput): ResolvedSettings {
  const flags = input.flags ?? {}
  const env = input.env ?? {}
  const file = input.tomlText === undefined ? {} : readToml(input.tomlText)
  refuseUnknownFlags(flags)
  refuseUnknownKeys(file)

  const settings: Partial<Record<SettingName, unknown>> = {}
  const sources: Partial<Record<SettingName, SettingSource>> = {}
  for (const name of settingNames) {
    const setting: Setting<unknown> = settingsSchema[name]
    const found = find(setting, flags, env, file)
    settings[name] = found === undefined ? setting.default : parse(setting, found.raw, found.where)
    sources[name] = found?.source ?? 'default'
  }
  const { join, expect } = settings as Settings
  // Alone it is a cluster of one; with peers to meet, only the operator knows how many are to come.
  const resolved = { ...settings, expect: expect ?? (join.length === 0 ? 1 : undefined) } as Settings
  checkAddresses(resolved)
  return { settings: resolved, sources: sources as Record<SettingName, SettingSource>, warnings: warningsAbout(env) }
}

interface Found {
  readonly raw: RawSetting
  readonly source: SettingSource
  /** How a message names the place. */
  readonly where: string
}

function find(
  setting: Setting<unknown>,
  flags: Readonly<Record<string, string | true | undefined>>,
  env: Readonly<Record<string, string | undefined>>,
  file: Readonly<Record<string, unknown>>,
): Found | undefined {
  const flag = flags[setting.flag]
  if (flag !== undefined) return { raw: flag, source: 'flag', where: `--${setting.flag}` }
  const variable = env[setting.env]
  // An empty variable is how shells and containers say "not set".
  if (variable !== undefined && variable !== '') return { raw: variable, source: 'environment', where: setting.env }
  const key = setting.toml
  if (key !== undefined && Object.hasOwn(file, key))
    return { raw: file[key] as RawSetting, source: 'file', where: `${key} in the settings file` }
  return undefined
}

function parse(setting: Setting<unknown>, raw: RawSetting, where: string): unknown {
  const parsed = setting.kind.parse(raw)
  if (parsed.ok) return parsed.value
  throw new InvalidParameter(`${where}: ${JSON.stringify(raw)} ${parsed.problem}`, {
    hint: `expected ${setting.kind.range}`,
  })
}

function readToml(tomlText: string): Readonly<Record<string, unknown>> {
  try {
    return parseToml(tomlText)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const where = `line ${error.line}, column ${error.column}`
    throw new InvalidParameter(`the settings file is not TOML at ${where}`, {
      cause: error,
      hint: error.message.split('\n', 1)[0],
    })
  }
}

function refuseUnknownFlags(flags: Readonly<Record<string, unknown>>): void {
  const known = settingNames.map((name) => settingsSchema[name].flag)
  for (const flag of Object.keys(flags)) {
    if (known.includes(flag)) continue
    throw new InvalidParameter(`unknown flag --${flag}`, { hint: `the nearest known one is --${nearest(flag, known)}` })
  }
}

function refuseUnknownKeys(file: Readonly<Record<string, unknown>>): void {
  const known = settingNames.flatMap((name) => settingsSchema[name].toml ?? [])
  for (const key of Object.keys(file)) {
    if (known.includes(key)) continue
    throw new InvalidParameter(`unknown key ${JSON.stringify(key)} in the settings file`, {
      hint: `the nearest known one is ${nearest(key, known)}`,
    })
  }
}

/** Kubernetes injects variables such as STARLING_PORT for a service called starling: they must not stop a node. */
function warningsAbout(env: Readonly<Record<string, unknown>>): readonly string[] {
  const known = [...settingNames.map((name) => settingsSchema[name].env), ...otherVariables]
  return Object.keys(env)
    .filter((variable) => variable.startsWith('STARLING_') && !known.includes(variable))
    .map((variable) => `unknown variable ${variable} is ignored; the nearest known one is ${nearest(variable, known)}`)
}
