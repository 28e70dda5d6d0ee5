import type { SettingSource } from '../settings/resolve-settings.ts'
import { type SettingName, settingNames, settingsSchema } from '../settings/schema.ts'
import { note, writeJson, writeLine } from './output.ts'
import { readSettings } from './settings-options.ts'
import { formatTable } from './table.ts'

export async function config(options: Readonly<Record<string, unknown>>): Promise<void> {
  const { settings, sources, warnings } = readSettings(options)
  for (const warning of warnings) note(`starling: ${warning}`)
  if (options.json === true) {
    const shown = settingNames.map((name) => ({
      name: settingsSchema[name].flag,
      value: settings[name] ?? null,
      source: sources[name],
    }))
    return writeJson('Settings', { settings: shown })
  }
  const rows = settingNames.map((name) => [settingsSchema[name].flag, shownValue(name), inWords(name, sources[name])])
  await writeLine(formatTable(['setting', 'value', 'from'], rows))

  function shownValue(name: SettingName): string {
    const value = settings[name]
    const isUnsaid = value === undefined || (Array.isArray(value) && value.length === 0)
    return isUnsaid ? `(${settingsSchema[name].defaultText})` : String(value)
  }
}

function inWords(name: SettingName, source: SettingSource): string {
  return source === 'environment' ? settingsSchema[name].env : source
}
