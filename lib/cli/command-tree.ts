import type { Command } from 'commander'

/** The command that `words` name, as deep as they do; flags among them are passed over. */
export function commandOf(program: Command, words: readonly string[]): Command {
  let command = program
  for (const word of words) {
    const deeper = command.commands.find((candidate) => candidate.name() === word || candidate.aliases().includes(word))
    if (deeper !== undefined) command = deeper
    else if (!word.startsWith('-')) break
  }
  return command
}

/** How a command is called: `starling kv put`. */
export function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}

/** The long flags that a command takes, `--help` among them. */
export function flagsOf(command: Command): readonly string[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .flatMap((option) => option.long ?? option.short ?? [])
}

/** The names of the commands directly below. */
export function commandNamesOf(command: Command): readonly string[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((below) => below.name())
}
