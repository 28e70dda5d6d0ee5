import { readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { type ResolvedSettings, resolveSettings } from '../settings/resolve-settings.ts'
import { type Setting, settingNames, settingsSchema } from '../settings/schema.ts'
import { UsageError } from './exit-code.ts'

const fileDefault = 'starling.toml'

/** One flag for each setting of the schema. Values stay text: the schema reads them, whichever place they come from. */
export function addSettingOptions(command: Command): Command {
  for (const name of settingNames) {
    const { flag, kind, help, defaultText }: Setting<unknown> = settingsSchema[name]
    const value = kind.placeholder === '' ? ' [true|false]' : ` <${kind.placeholder}>`
    command.addOption(new Option(`--${flag}${value}`, `${help} (default: ${defaultText})`))
  }
  return command
}

/** The settings that these flags, the environment and the file give. */
export function readSettings(options: Readonly<Record<string, unknown>>): ResolvedSettings {
  const flags: Record<string, string | true> = {}
  for (const name of settingNames) {
    const given = options[name]
    if (typeof given === 'string' || given === true) flags[settingsSchema[name].flag] = given
  }
  return resolveSettings({ flags, env: process.env, tomlText: readSettingsFile(options.config) })
}

function readSettingsFile(fromFlag: unknown): string | undefined {
  const named = typeof fromFlag === 'string' ? fromFlag : process.env[settingsSchema.config.env] || undefined
  try {
    return readFileSync(named ?? fileDefault, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (named === undefined && code === 'ENOENT') return undefined
    throw new UsageError(`the settings file cannot be read: ${message}`)
  }
}
