import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { HttpClient } from '../../http-client/http-client.ts'
import { StarlingError } from '../../vocabulary/errors.ts'
import { parseWhole } from '../client-options.ts'
import { exitCode, UsageError } from '../exit-code.ts'
import { note, writeJson, writeLine } from '../output.ts'
import { type DemoLocks, locksIn, makeLocks } from './demo-locks.ts'
import { type DemoNode, endpointOf, planDemo, programWords, shellLine } from './demo-node.ts'
import { portsInUse } from './ports-in-use.ts'

export interface DemoFlags {
  readonly nodes: string
  readonly port: string
  readonly data: string
  readonly fresh?: boolean
  readonly secure?: boolean
  readonly json?: boolean
}

const readyMsMax = 60_000
const logLinesShown = 15

interface RunningNode {
  readonly node: DemoNode
  readonly child: ChildProcess
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>
}

/**
 * Runs a cluster of real processes until Ctrl-C or SIGTERM. A node that dies is reported and left dead: bringing it back
 * is part of what one wants to try.
 */
export async function demo(flags: DemoFlags): Promise<void> {
  const count = parseWhole(flags.nodes, 1, 50, '--nodes takes 1 to 50')
  const port = parseWhole(flags.port, 1024, 65_000, '--port takes 1024 to 65000')
  const locks = flags.secure === true ? locksIn(flags.data) : undefined
  const nodes = planDemo(count, port, flags.data, locks)
  if (await refuseTakenPorts(nodes)) return
  prepareDirectory(flags.data, flags.fresh === true)
  if (locks !== undefined) makeLocks(locks)

  let stopping = false
  const running = nodes.map((node) => run(node, () => stopping))
  const stop = (): void => {
    if (stopping) process.exitCode = exitCode.failed
    else note('starling: stopping the nodes; Ctrl-C again kills them')
    for (const { child } of running) child.kill(stopping ? 'SIGKILL' : 'SIGTERM')
    stopping = true
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)

  if (!flags.json) for (const { node, child } of running) await introduce(node, child)
  const isReady = await waitUntilReady(running)
  if (isReady)
    await (flags.json ? writeJson('Demo', { nodes: running.map(describe), ...locks }) : suggest(nodes, locks))
  else if (!stopping) process.exitCode = exitCode.failed
  await Promise.all(running.map(({ ended }) => ended))
  note(stopping ? 'starling: all nodes have stopped' : 'starling: no node is left')
  process.exit(process.exitCode ?? exitCode.done)
}

async function refuseTakenPorts(nodes: readonly DemoNode[]): Promise<boolean> {
  const taken = await portsInUse(nodes)
  if (taken.length === 0) return false
  note(`starling: something listens already on ${taken.join(', ')}`)
  note('  hint: is another demo running? Stop it, or choose other ports with --port')
  process.exitCode = exitCode.failed
  return true
}

function prepareDirectory(directory: string, fresh: boolean): void {
  mkdirSync(directory, { recursive: true })
  if (!fresh) return
  // Only what a demo makes: the directory may have been named by mistake.
  const found = readdirSync(directory)
  const foreign = found.find((name) => !/^(n\d+(\.log)?|secret(\..+\.next)?|token)$/.test(name))
  if (foreign !== undefined)
    throw new UsageError(
      `${directory} holds ${JSON.stringify(foreign)}, which no demo made`,
      'empty it yourself, or give another --data',
    )
  for (const name of found) rmSync(`${directory}/${name}`, { recursive: true })
}

function run(node: DemoNode, isStopping: () => boolean): RunningNode {
  const log = openSync(node.log, 'a')
  // In a process group of its own: Ctrl-C is for us, and the node hears of it once, by SIGTERM.
  const child = spawn(process.execPath, [process.argv[1] ?? '', ...node.words], {
    stdio: ['ignore', log, log],
    detached: true,
  })
  closeSync(log)
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      note(`starling: ${node.name} could not be started: ${error.message}`)
      resolve()
    })
    child.once('exit', (code, signal) => {
      if (!isStopping()) reportEnd(node, code, signal)
      resolve()
    })
  })
  return { node, child, ended }
}

function reportEnd(node: DemoNode, code: number | null, signal: string | null): void {
  note(`starling: ${node.name} ended ${signal === null ? `with exit code ${code}` : `by ${signal}`}; the others go on`)
  if (code !== null && code !== 0) {
    const lines = readFileSync(node.log, 'utf8').trimEnd().split('\n')
    for (const line of lines.slice(-logLinesShown)) note(`  | ${line}`)
  }
  note(`  start it again with: ${restartLine(node)}`)
}

async function waitUntilReady(running: readonly RunningNode[]): Promise<boolean> {
  const deadlineMs = Date.now() + readyMsMax
  for (const { node, child } of running) {
    const client = new HttpClient({ endpoints: [endpointOf(node)] })
    while (!(await isReady(client))) {
      if (child.exitCode !== null || child.signalCode !== null) return false
      if (Date.now() > deadlineMs) {
        note(`starling: ${node.name} is not ready after ${readyMsMax / 1000} s; see ${node.log}`)
        return false
      }
      await sleep(100)
    }
  }
  return true
}

async function isReady(client: HttpClient): Promise<boolean> {
  try {
    return (await client.ready({ timeoutMs: 1_000 })).ready
  } catch (error) {
    if (error instanceof StarlingError) return false
    throw error
  }
}

function restartLine(node: DemoNode): string {
  return shellLine([...programWords(), ...node.words])
}

async function introduce(node: DemoNode, child: ChildProcess): Promise<void> {
  await writeLine(`${node.name}  pid ${child.pid}  ${endpointOf(node)}  log ${node.log}`)
  await writeLine(`    ${restartLine(node)}`)
}

function describe({ node, child }: RunningNode) {
  const { name, data, log, peerPort } = node
  const restart = restartLine(node)
  return { name, pid: child.pid, http: endpointOf(node), peer: `127.0.0.1:${peerPort}`, data, log, restart }
}

async function suggest(nodes: readonly DemoNode[], locks: DemoLocks | undefined): Promise<void> {
  const [first, second = first] = nodes as readonly [DemoNode, DemoNode?]
  // The token stands on no command line: every user of the machine could read it there.
  const show = locks === undefined ? '' : ` -H "Authorization: Bearer $(cat ${shellLine([locks.tokenFile])})"`
  const starling = shellLine(programWords())
  const at = (node: DemoNode): string => (node.httpPort === 7070 ? '' : ` --endpoint ${endpointOf(node)}`)
  await writeLine(`
${nodes.length} nodes are ready. ${locks === undefined ? '' : howToUse(locks, starling)}Try, in another terminal:

${locks === undefined ? '' : `  export STARLING_TOKEN_FILE=${shellLine([locks.tokenFile])}\n`}  ${starling} kv put towns zurich 'Lake and river'${at(first)}
  ${starling} kv get towns zurich${at(second)}
  ${starling} explain towns zurich${at(first)}
  ${starling} cluster status${at(first)} --watch
  curl -i${show} ${endpointOf(first)}/v1/kv/towns/zurich
${locks === undefined ? '' : `  ${starling} token create --name shop --role write --bucket towns${at(first)}\n`}
Kill a node (kill -9 PID) and read and write on; then start it again with its command above.
Ctrl-C here stops them all; their data stays, --fresh empties it.`)
}

function howToUse({ secretFile, tokenFile }: DemoLocks, starling: string): string {
  return `They speak to each other with the secret in ${secretFile}, and
answer clients that show a token; the one in ${tokenFile} is an admin's. (${starling} whoami says whose a token is.)

`
}
