import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const program = fileURLToPath(import.meta.resolve('../../bin/starling.js'))
const commandMsMax = 60_000
const run = promisify(execFile)

/**
 * Runs `starling WORDS` as an operator would, against whichever of these nodes answers.
 * @returns what it printed @throws Error with what it complained about
 */
export async function starling(
  words: readonly string[],
  http: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('STARLING_'))
  const endpoint = http.map((address) => `http://${address}`).join(',')
  try {
    const { stdout } = await run(process.execPath, [program, ...words], {
      env: { ...Object.fromEntries(inherited), STARLING_ENDPOINT: endpoint },
      timeout: commandMsMax,
      killSignal: 'SIGKILL',
      signal,
    })
    return stdout
  } catch (error) {
    const said = error as { readonly stderr?: string; readonly stdout?: string; readonly message: string }
    throw new Error(`starling ${words.join(' ')}: ${said.stderr?.trim() || said.stdout?.trim() || said.message}`)
  }
}
