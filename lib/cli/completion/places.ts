import type { Command, Option } from 'commander'
import { roles } from '../../security/principal.ts'
import { settingNames, settingsSchema } from '../../settings/schema.ts'
import { commandNamesOf } from '../command-tree.ts'

/** What may stand in one place: words that are known, or something that is looked up when it is asked for. */
export type Values =
  | { readonly type: 'words'; readonly words: readonly string[] }
  /** `words` may be followed by anything: a property and its value. */
  | { readonly type: 'names'; readonly words: readonly string[] }
  | { readonly type: 'nodes' | 'buckets' | 'files' | 'directories' | 'anything' }

export interface Described {
  readonly word: string
  readonly description: string
}

/** What may follow the words of one command. */
export interface Place {
  /** The words so far, without `starling`: `kv get`. */
  readonly path: string
  readonly commands: readonly Described[]
  readonly flags: readonly Described[]
  /** One for each argument in its order. */
  readonly values: readonly Values[]
  /** The last argument may be repeated. */
  readonly isOpen: boolean
}

const quorumLevels: Values = { type: 'words', words: ['one', 'quorum', 'all'] }

const valuesByFlag: Readonly<Record<string, Values>> = {
  r: quorumLevels,
  w: quorumLevels,
  pr: quorumLevels,
  pw: quorumLevels,
  durability: { type: 'words', words: ['os', 'disk'] },
  role: { type: 'words', words: roles },
  bucket: { type: 'buckets' },
}

const propertyNames = 'r w pr pw conflict durability readRepair ttlSeconds siblingsMax valueBytesMax'.split(' ')

const valuesByArgument: Readonly<Record<string, Values>> = {
  bucket: { type: 'buckets' },
  node: { type: 'nodes' },
  old: { type: 'nodes' },
  new: { type: 'nodes' },
  file: { type: 'files' },
  shell: { type: 'words', words: ['bash', 'zsh', 'fish'] },
  'name=value': { type: 'names', words: propertyNames.map((name) => `${name}=`) },
}

export function placesOf(command: Command, path = ''): readonly Place[] {
  const help = command.createHelp()
  const commands = help.visibleCommands(command)
  const place: Place = {
    path,
    commands: commands.map((below) => ({ word: below.name(), description: help.subcommandDescription(below) })),
    flags: help.visibleOptions(command).map((option) => ({
      word: option.long ?? option.short ?? '',
      description: help.optionDescription(option),
    })),
    values: command.registeredArguments.map((argument) => valuesOfArgument(command, argument.name())),
    isOpen: command.registeredArguments.at(-1)?.variadic === true,
  }
  // Whoever calls it by its other name is completed as well.
  const below = commands.flatMap((next) =>
    [next.name(), ...next.aliases()].flatMap((name) => placesOf(next, `${path} ${name}`.trim())),
  )
  return [place, ...below]
}

function valuesOfArgument(command: Command, name: string): Values {
  // Of help: its neighbours.
  if (name === 'command') return { type: 'words', words: commandNamesOf(command.parent ?? command) }
  return valuesByArgument[name] ?? { type: 'anything' }
}

/** What follows each flag that needs a value, in any command. */
export function valuesOfFlags(command: Command): ReadonlyMap<string, Values> {
  const found = new Map<string, Values>()
  for (const option of optionsBelow(command))
    if (option.long && option.required) found.set(option.long, valuesOf(option))
  return found
}

function valuesOf(option: Option): Values {
  const name = option.long?.slice(2) ?? ''
  const known = valuesByFlag[name]
  if (known !== undefined) return known
  const placeholder = /[<[](.*)[>\]]/.exec(option.flags)?.[1] ?? ''
  if (placeholder === 'FILE') return { type: 'files' }
  if (placeholder === 'DIR') return { type: 'directories' }
  const choices = settingNames.map((each) => settingsSchema[each]).find(({ flag }) => flag === name)?.kind.placeholder
  if (choices?.includes('|')) return { type: 'words', words: choices.split('|') }
  return { type: 'anything' }
}

function optionsBelow(command: Command): readonly Option[] {
  return [...command.options, ...command.commands.flatMap(optionsBelow)]
}
