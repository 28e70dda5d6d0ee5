import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { capabilityTable, probeCapabilities } from './capabilities.ts'
import { runCell, whyNot } from './cell.ts'
import { checkRun } from './check.ts'
import { type Command, commandOf, usage } from './command-line.ts'
import { networkFor, runMatrix, writeTable } from './matrix.ts'
import { nemeses } from './nemeses/index.ts'
import { goAhead } from './priority.ts'
import type { RunRecord } from './run-directory.ts'
import type { RunScope } from './run-scope.ts'
import type { Verdict } from './verdict.ts'
import { workloads } from './workloads/index.ts'

/** `npm run jepsen-lite`: see `usage`. */

const exitCodes: Readonly<Record<Verdict, number>> = { valid: 0, invalid: 1, unknown: 2, skipped: 2 }
const usageExitCode = 64
const crashExitCode = 70
const cleanMsMax = 60_000

/** What must be cleaned up when somebody interrupts, or this program fails. */
let open: RunScope | undefined

const names = { workloads: workloads.map(({ name }) => name), nemeses: nemeses.map(({ name }) => name) }
endCleanly()
goAhead()
process.exitCode = await perform(commandOf(process.argv.slice(2), names))

async function perform(command: Command): Promise<number> {
  switch (command.type) {
    case 'help':
      console.log(usage)
      return 0
    case 'misuse':
      console.error(`${command.problem}\n\n${usage}`)
      return usageExitCode
    case 'list':
      await list()
      return 0
    case 'check':
      return check(command.directory)
    case 'cell':
      return single(command)
    case 'matrix':
      return matrix(command)
    case 'table':
      return table(command.store)
  }
}

async function single({ workload, nemesis, setting }: Extract<Command, { type: 'cell' }>): Promise<number> {
  const capabilities = await probeCapabilities()
  console.error(capabilityTable(capabilities))
  const network = networkFor(setting.network, called(nemeses, nemesis), capabilities)
  const directory = join(setting.store, `${workload}-${nemesis}-${network}-${setting.seed}-${stampOf(new Date())}`)
  const run = await runCell(
    { ...setting, workload: called(workloads, workload), nemesis: called(nemeses, nemesis), network, directory },
    { capabilities, say: (line) => console.error(line), opened },
  )
  console.log(summaryOf(run, directory))
  return exitCodes[run.verdict]
}

async function matrix({
  setting,
  isFresh,
  isAgain,
  cells,
  ...wanted
}: Extract<Command, { type: 'matrix' }>): Promise<number> {
  const capabilities = await probeCapabilities()
  console.error(capabilityTable(capabilities))
  const rows = wanted.workloads.map((name) => called(workloads, name))
  const columns = wanted.nemeses.map((name) => called(nemeses, name))
  await runMatrix(
    { ...setting, workloads: rows, nemeses: columns, isFresh, isAgain, cells },
    { capabilities, say: (line) => console.error(line), opened },
  )
  return table(setting.store)
}

async function table(store: string): Promise<number> {
  const written = await writeTable(store)
  if (written === undefined) {
    console.error(`${store} holds no runs of a matrix\n\n${usage}`)
    return usageExitCode
  }
  console.log(written.text)
  return exitCodes[written.table.verdict]
}

function check(directory: string): number {
  if (!existsSync(join(directory, 'run.json'))) {
    console.error(`${directory} is no run directory: it has no run.json\n\n${usage}`)
    return usageExitCode
  }
  const run = checkRun(directory, workloads)
  console.log(summaryOf(run, directory))
  return exitCodes[run.verdict]
}

async function list(): Promise<void> {
  const capabilities = await probeCapabilities()
  const width = Math.max(...[...names.workloads, ...names.nemeses].map(({ length }) => length))
  const line = (name: string, summary: string): string => `  ${name.padEnd(width)}  ${summary}`
  console.log('workloads')
  for (const { name, summary } of workloads) console.log(line(name, summary))
  console.log('\nnemeses')
  for (const nemesis of nemeses) {
    const isPossible = (['netns', 'proxy'] as const).some((kind) => whyNot(nemesis, kind, capabilities).length === 0)
    console.log(line(nemesis.name, `${nemesis.summary}${isPossible ? '' : ' (not on this machine)'}`))
  }
  console.log(`\nthis machine\n${capabilityTable(capabilities).replaceAll(/^/gm, '  ')}`)
}

function summaryOf(run: RunRecord, directory: string): string {
  const results = run.results.map(({ name, valid, compared }) => {
    const outcome = valid === true ? 'holds' : valid === false ? 'BROKEN' : 'unknown'
    return `  ${outcome.padEnd(8)}${name} (${compared} facts compared)`
  })
  const bites = run.bites.map(({ what, count }) => `  felt    ${what}: ${count}`)
  const reasons = run.reasons.map((reason) => `  ${reason}`)
  const title = `${run.workload} x ${run.nemesis}, ${run.nodes} nodes, ${run.network}, seed ${run.seed}: ${run.verdict}`
  return [title, ...reasons, ...results, ...bites, `  in ${relative('.', directory) || '.'}`].join('\n')
}

function called<Named extends { readonly name: string }>(all: readonly Named[], name: string): Named {
  const one = all.find((other) => other.name === name)
  if (one === undefined) throw new Error(`there is no ${name}`)
  return one
}

/** `20250501T100000`. */
function stampOf(date: Date): string {
  return date.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')
}

function opened(scope: RunScope): void {
  open = scope
}

/** However it ends: nothing that was started goes on, nothing that was made stays. */
function endCleanly(): void {
  const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const
  let isEnding = false
  const clean = (code: number): void => {
    if (isEnding) return
    isEnding = true
    setTimeout(() => process.exit(code), cleanMsMax).unref()
    if (open === undefined) process.exit(code)
    open.close().finally(() => process.exit(code))
  }
  // Not once: others who listen go by whether anybody is left who does, and exit if not.
  for (const [signal, code] of Object.entries(codes)) process.on(signal, () => clean(code))
  process.on('uncaughtException', (error) => {
    console.error(error)
    clean(crashExitCode)
  })
}
