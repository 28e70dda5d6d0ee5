import { type Command, CommanderError } from 'commander'
import { nearest } from '../vocabulary/nearest.ts'
import { commandNamesOf, commandOf, flagsOf, pathOf } from './command-tree.ts'
import { exitCode, exitCodeOf, UsageError } from './exit-code.ts'
import { unknownCommand } from './help.ts'
import { reportError, writeJson } from './output.ts'
import { packageVersion } from './package-version.ts'
import { createProgram } from './program.ts'

/** Runs one command line and sets the process's exit code. Never rejects. */
export async function runCli(words: readonly string[]): Promise<void> {
  // Whoever reads our output may have enough of it (`| head`): no reason to complain.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? exitCode.done : exitCode.failed)
  })
  if (asksForVersionInJson(words)) return writeJson('Version', { version: packageVersion() })
  const program = createProgram()
  try {
    await program.parseAsync(words, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return // --help, --version
    const reported = error instanceof CommanderError ? usageErrorOf(error, commandOf(program, words), words) : error
    // Help that was shown because a command is missing says it all.
    if (!(error instanceof CommanderError && error.code === 'commander.help')) reportError(reported, asksForJson(words))
    process.exitCode = exitCodeOf(reported)
  }
}

function usageErrorOf(error: CommanderError, command: Command, words: readonly string[]): UsageError {
  const below = commandNamesOf(command)
  if (error.code === 'commander.excessArguments' && below.length > 0) {
    // Commander hands a slip to the default of the commands below, which then has one word too many.
    const slip = words.find((word) => !word.startsWith('-') && !pathOf(command).split(' ').includes(word)) ?? ''
    return unknownCommand(command, slip)
  }
  const told = error.message.replace(/^error: /, '').replace(/\s*\(Did you mean .*\)$/s, '')
  // What was given to it may be a secret, and what is said here may be kept.
  const message = told.replace(/^(unknown option '--?[^'=]+)=.*'$/s, "$1'")
  const unknown = /^unknown option '(--?[^'=]+)/.exec(message)?.[1]
  if (unknown === '--token') return new UsageError(message, tokenHint)
  const suggestion = unknown === undefined ? undefined : nearest(unknown, flagsOf(command))
  if (suggestion !== undefined) return new UsageError(message, `the nearest known one is ${suggestion}`)
  const meant = /Did you mean (?:one of )?(.*)\?\)$/s.exec(error.message)?.[1]
  return new UsageError(message, meant === undefined ? `see ${pathOf(command)} --help` : `did you mean ${meant}?`)
}

const tokenHint = 'everybody on this machine can read a command line: use STARLING_TOKEN, or --token-file'

/** Commander prints a version as it is, before it looks at any other flag. */
function asksForVersionInJson(words: readonly string[]): boolean {
  const isVersion = (word: string): boolean => word === '--version' || word === '-V'
  return (
    words.some(isVersion) && words.includes('--json') && words.every((word) => isVersion(word) || word === '--json')
  )
}

function asksForJson(words: readonly string[]): boolean {
  const end = words.indexOf('--')
  return words.slice(0, end === -1 ? words.length : end).includes('--json')
}
