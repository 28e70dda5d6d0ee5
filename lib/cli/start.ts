import { setFlagsFromString } from 'node:v8'
import { exitCode, exitCodeOf } from './exit-code.ts'
import { note, reportError, writeJson } from './output.ts'
import { readSettings } from './settings-options.ts'

/**
 * The heap may double before V8 collects the old of it, not quadruple as it would by itself: pages of listings outlive two
 * collections of the young, and became 100 MiB of garbage that nobody hurried to collect (docs/decisions/0120).
 */
const heapGrowingPercent = 100

/**
 * Runs one node in this process until a signal or its own end. The first SIGTERM or SIGINT drains: requests in flight are
 * finished, then the exit code is 0. A second one exits at once. SIGHUP makes it read anew what may change while it runs.
 */
export async function start(options: Readonly<Record<string, unknown>>): Promise<void> {
  const { settings, warnings } = readSettings(options)
  for (const warning of warnings) note(`starling: ${warning}`)
  setFlagsFromString(`--heap-growing-percent=${heapGrowingPercent}`)
  const { startNode } = await import('../start-node.ts')
  let stop: (() => Promise<void>) | undefined
  let reload: (() => void) | undefined
  let signals = 0
  const onSignal = (): void => {
    signals += 1
    if (signals > 1) process.exit(exitCode.failed)
    void stop?.()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  // By itself it would end the process.
  process.on('SIGHUP', () => reload?.())
  try {
    const node = await startNode({ ...settings, rebuild: options.rebuild === true })
    stop = () => node.stop()
    reload = () => node.reload()
    // Asked to stop while it was starting.
    if (signals > 0) void node.stop()
    const { id, http, peer } = node
    if (options.json === true) await writeJson('Node', { id, http, peer, pid: process.pid })
    else
      note(
        `starling: node ${id} serves ${settings.tlsCert === undefined ? 'HTTP' : 'HTTPS'} at ${http} and peers at ${peer}; SIGTERM or Ctrl-C stops it`,
      )
    await node.stopped
    process.exit(exitCode.done)
  } catch (error) {
    reportError(error, options.json === true)
    // What the node left open must not keep a process alive that serves nobody.
    process.exit(exitCodeOf(error))
  }
}
