import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'

/** The built command; with the package installed it is `starling` on the path. */
const program = fileURLToPath(import.meta.resolve('../../bin/starling.js'))

/** What was set for this process is not meant for the nodes that it starts. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('STARLING_')))

const living = new Set<ChildProcess>()
// However this process ends, it leaves no other behind.
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL')
})

/** Begins `starling ...words`. Its stderr goes to a file descriptor or a pipe. */
export function spawnStarling(words: readonly string[], stderr: number | 'pipe'): ChildProcess {
  const child = spawn(process.execPath, [program, ...words], { env, stdio: ['pipe', 'pipe', stderr] })
  living.add(child)
  child.once('exit', () => living.delete(child))
  return child
}

/**
 * Runs `starling ...words --json` to its end, which must be a good one, and returns the document it prints.
 *
 * @param options.input goes to its standard input, as fast as it is read there
 * @param options.limitMs milliseconds until the command is killed
 * @throws {Error} with what the command said, for any exit code but 0; or what `input` threw
 */
export async function runStarling<Answer>(
  words: readonly string[],
  options: { readonly limitMs: number; readonly input?: AsyncIterable<string> },
): Promise<Answer> {
  const child = spawnStarling([...words, '--json'], 'pipe')
  const timer = setTimeout(() => child.kill('SIGKILL'), options.limitMs)
  try {
    const ended = once(child, 'close') as Promise<[number | null, string | null]>
    const said = Promise.all([text(child.stdout as NodeJS.ReadableStream), text(child.stderr as NodeJS.ReadableStream)])
    const problem = await feed(child, options.input)
    const [code, signal] = await ended
    const [stdout, stderr] = await said
    // A command that ends before its input does breaks the pipe, but its exit code says more.
    if (code !== 0) throw new Error(`starling ${words.join(' ')}: ${signal ?? `exit code ${code}`}\n${stdout}${stderr}`)
    if (problem !== undefined) throw problem
    return JSON.parse(stdout) as Answer
  } finally {
    clearTimeout(timer)
    child.kill('SIGKILL')
  }
}

/** What went wrong, if something did. */
async function feed(child: ChildProcess, input: AsyncIterable<string> = noInput()): Promise<unknown> {
  try {
    await pipeline(input, child.stdin as Writable)
    return undefined
  } catch (error) {
    return error
  }
}

async function* noInput(): AsyncGenerator<string> {}
