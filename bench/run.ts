/**
 * What an operation costs: Starling, the floor and one single process under the same load in the same run, in CPU
 * microseconds over all server processes. docs/benchmarks.md says what the figures mean.
 *
 * npm run bench -- --help
 */
import { bench } from './bench.ts'
import { compare } from './compare.ts'
import { readOptions, usage } from './options.ts'
import { profile, readProfileOptions } from './profile.ts'

const exitCode = { kept: 0, missed: 1, usage: 2 }

process.exit(await main(process.argv.slice(2)))

async function main(words: readonly string[]): Promise<number> {
  const [command, ...rest] = words
  const work = workOrUsage(command, rest, words)
  return typeof work === 'number' ? work : (await work()) ? exitCode.kept : exitCode.missed
}

/** What is to be done, which says whether every promise was kept; or the exit code when nothing is. */
function workOrUsage(
  command: string | undefined,
  rest: readonly string[],
  words: readonly string[],
): (() => boolean | Promise<boolean>) | number {
  try {
    if (command === 'compare') return compare(rest)
    if (command === 'profile') {
      const options = readProfileOptions(rest)
      return () => profile(options)
    }
    if (command !== undefined && !command.startsWith('-')) {
      throw new TypeError(`"${command}" is no command: compare and profile are; workloads are named by --only`)
    }
    const options = readOptions(words)
    if (options !== 'help') return () => bench(options)
    console.log(usage)
    return exitCode.kept
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\nnpm run bench -- --help shows what there is.\n`)
    return exitCode.usage
  }
}
