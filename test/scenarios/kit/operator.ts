import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { plainly } from '../../fixtures/plain-program.ts'
import type { Reachable } from '../../node/fixtures/real-nodes.ts'
import type { Member } from './cluster.ts'
import type { Lab } from './lab.ts'

const program = fileURLToPath(import.meta.resolve('../../../bin/starling.js'))

export interface Ran {
  /** What was typed. */
  readonly line: string
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly tookMs: number
}

/** Somebody at a shell: every command is a process of its own. What it printed is told in the story. */
export class Operator {
  readonly #lab: Lab
  readonly #members: () => readonly Member[]
  readonly transcript: Ran[] = []

  /** @param members whose HTTP addresses the operator knows, best first; asked at every command */
  constructor(lab: Lab, members: () => readonly Member[]) {
    this.#lab = lab
    this.#members = members
  }

  /** `starling` with these words. @param through the node it speaks to; by default the first that is known */
  async run(
    words: readonly string[],
    through?: Reachable,
    told: 'whole' | 'only how many lines' = 'whole',
  ): Promise<Ran> {
    const known = through === undefined ? this.#members() : [through]
    const endpoint = known.map(({ http }) => `http://${http}`).join(',')
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('STARLING_'))
    const startedMs = performance.now()
    const child = spawn(...plainly(program, words), {
      env: { ...Object.fromEntries(inherited), STARLING_ENDPOINT: endpoint },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const cleaned = this.#lab.signal
    const end = (): void => void child.kill('SIGKILL')
    cleaned.addEventListener('abort', end)
    const outputs = Promise.all([text(child.stdout), text(child.stderr)])
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    cleaned.removeEventListener('abort', end)
    const [stdout, stderr] = await outputs
    const ran = { line: `starling ${words.join(' ')}`, code, stdout, stderr, tookMs: performance.now() - startedMs }
    this.transcript.push(ran)
    this.#lab.say(`$ ${ran.line}  (exit code ${code} after ${(ran.tookMs / 1000).toFixed(1)} s)`)
    const lines = `${stdout}${stderr}`.trimEnd().split('\n')
    if (told === 'whole') for (const line of lines) this.#lab.say(`    ${line}`)
    else this.#lab.say(`    ${lines.length} lines`)
    return ran
  }

  /** The same, for commands that must be done. @throws Error for any exit code but 0 */
  async do(words: readonly string[], through?: Reachable): Promise<Ran> {
    const ran = await this.run(words, through)
    if (ran.code !== 0) throw new Error(`${ran.line} ended with ${ran.code}: ${ran.stderr.trim() || ran.stdout.trim()}`)
    return ran
  }

  /** What `--json` prints. */
  async json(words: readonly string[], through?: Reachable): Promise<Record<string, unknown>> {
    const { stdout } = await this.do([...words, '--json'], through)
    return JSON.parse(stdout) as Record<string, unknown>
  }

  /** What a person cannot read: holes of a program, colours where there is no terminal, lines beyond every width. */
  unreadable(widthMax = 200): readonly string[] {
    return this.transcript.flatMap(({ line, stdout, stderr }) =>
      `${stdout}${stderr}`
        .split('\n')
        .filter(
          (printed) =>
            printed.length > widthMax ||
            /undefined|NaN|\[object|Infinity/.test(printed) ||
            printed.includes(colourBegins),
        )
        .map((printed) => `${line}: ${printed.slice(0, 120)}`),
    )
  }
}

const colourBegins = String.fromCharCode(27)
