import { workerData } from 'node:worker_threads'
import { writeFinding } from './kept-inputs.ts'
import { headWords, type Watched } from './watchdog.ts'

const lookEveryMs = 1000
/** Of the processor, not of the clock: the machine may be busy. */
const inputMicrosMax = 20_000_000

const { target, memory } = workerData as Watched
const words = new Int32Array(memory, 0, headWords)
let given = Atomics.load(words, 0)
let sinceMicros = cpuMicros()

setInterval(() => {
  const now = Atomics.load(words, 0)
  if (now !== given) {
    given = now
    sinceMicros = cpuMicros()
    return
  }
  if (cpuMicros() - sinceMicros < inputMicrosMax) return
  const input = new Uint8Array(memory, headWords * 4, words[1]).slice()
  const about = 'the input does not come to its end'
  process.stderr.write(`${target}: ${about}: ${writeFinding('endless', { target, about, input })}\n`)
  process.kill(process.pid, 'SIGKILL')
}, lookEveryMs)

function cpuMicros(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
