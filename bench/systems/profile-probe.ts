/**
 * Loaded into a server process by `--import FILE?directory=DIR`: SIGUSR2 starts a CPU profile, the next one writes it to
 * DIR/PID.cpuprofile. So a profile holds one run, and neither the start of the process nor the filling of the store.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'

const samplingMicros = 500
const directory = new URL(import.meta.url).searchParams.get('directory') ?? '.'
const session = new Session()
let isRunning = false

session.connect()
process.on('SIGUSR2', () => void toggle())

async function toggle(): Promise<void> {
  isRunning = !isRunning
  if (isRunning) {
    await session.post('Profiler.enable')
    await session.post('Profiler.setSamplingInterval', { interval: samplingMicros })
    await session.post('Profiler.start')
    return
  }
  const { profile } = await session.post('Profiler.stop')
  const path = join(directory, `${process.pid}.cpuprofile`)
  // Whoever waits for the file finds it whole.
  writeFileSync(`${path}.part`, JSON.stringify(profile))
  renameSync(`${path}.part`, path)
}
