import { type Setting, settingNames, settingsSchema } from './schema.ts'

/** The reference table of docs/settings.md, in Markdown. */
export function settingsTable(): string {
  const rows = settingNames.map((name) => {
    const { flag, env, toml, kind, defaultText, help }: Setting<unknown> = settingsSchema[name]
    const usage = kind.placeholder === '' ? `--${flag}` : `--${flag} ${kind.placeholder}`
    const cells = [code(usage), code(env), toml === undefined ? '' : code(toml), help, defaultText, kind.range]
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  return [
    '| flag | variable | key in the file | meaning | default | accepted |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n')
}

function code(words: string): string {
  return `\`${words}\``
}
