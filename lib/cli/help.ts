import type { Argument, Command, Option } from 'commander'
import { nearest } from '../vocabulary/nearest.ts'
import { commandNamesOf, pathOf } from './command-tree.ts'
import { examplesOf } from './examples.ts'
import { UsageError } from './exit-code.ts'
import { writeData, writeJson } from './output.ts'

/** More edits than these, and a word is another word. */
const slipEditsMax = 3

/** `starling help kv put`, and below each group `starling kv help put`. Examples stand at the end of every help. */
export function addHelp(program: Command): void {
  addHelpCommand(program, {})
  for (const command of allBelow(program)) {
    if (command.commands.length > 0) addHelpCommand(command, { hidden: true })
    const examples = examplesOf(command)
    if (examples.length > 0) command.addHelpText('after', `\nExamples:\n${indented(examples)}`)
  }
}

function addHelpCommand(group: Command, how: { readonly hidden?: boolean }): void {
  group
    .helpCommand(false)
    .command('help', how)
    .description('show what a command takes')
    .argument('[command...]', 'its name: kv put')
    .option('--json', 'machine-readable output')
    .action(async (words: readonly string[], options: { readonly json?: boolean }) => {
      const command = commandNamed(group, words)
      if (options.json === true) await writeJson('Help', describe(command))
      else await writeData(textOf(command))
    })
}

/** @throws {UsageError} when there is no such command */
function commandNamed(group: Command, words: readonly string[]): Command {
  let command = group
  for (const word of words) {
    const below = command.commands.find((one) => one.name() === word || one.aliases().includes(word))
    if (below === undefined) throw unknownCommand(command, word)
    command = below
  }
  return command
}

/** What to say of a word where one of the commands below should stand. */
export function unknownCommand(group: Command, word: string): UsageError {
  const meant = nearest(word, commandNamesOf(group), Math.min(slipEditsMax, Math.ceil(word.length / 2)))
  const hint = meant === undefined ? `see ${pathOf(group)} --help` : `did you mean ${meant}?`
  return new UsageError(`unknown command '${word}'`, hint)
}

/** As `--help` prints it: what was added to the help is only there when it is printed. */
function textOf(command: Command): string {
  const parts: string[] = []
  command.configureOutput({ writeOut: (part) => parts.push(part) })
  command.outputHelp()
  return parts.join('')
}

function describe(command: Command) {
  const help = command.createHelp()
  return {
    command: pathOf(command),
    description: help.commandDescription(command),
    usage: help.commandUsage(command),
    arguments: command.registeredArguments.map(describeArgument),
    options: help.visibleOptions(command).map(describeOption),
    commands: help
      .visibleCommands(command)
      .map((below) => ({ name: below.name(), description: help.subcommandDescription(below) })),
    examples: examplesOf(command),
  }
}

function describeArgument(argument: Argument) {
  const { required, variadic, description } = argument
  return { name: argument.name(), required, variadic, description }
}

function describeOption({ flags, description, defaultValue, envVar }: Option) {
  return { flags, description, default: defaultValue ?? null, env: envVar ?? null }
}

function allBelow(command: Command): readonly Command[] {
  return command.commands.flatMap((below) => [below, ...allBelow(below)])
}

function indented(lines: readonly string[]): string {
  return lines.map((line) => `  ${line}`).join('\n')
}
