import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from './lab.ts'
import { NothingSeen } from './scenario.ts'

const beginsMsMax = 30_000
const fieldsBytesMax = 512 * 1024 * 1024

/** What passes on loopback to and from some ports, as anybody who listens there would have it. */
export class Capture {
  readonly file: string
  readonly #child: ChildProcess

  private constructor(file: string, child: ChildProcess) {
    this.file = file
    this.#child = child
  }

  /**
   * Resolves when it listens. Without tshark, root on Debian installs it.
   * @throws {NothingSeen} where nobody may listen
   */
  static async begin(lab: Lab, name: string, ports: readonly number[]): Promise<Capture> {
    haveTshark(lab)
    const file = join(lab.directory, `${name}.pcap`)
    const filter = ports.map((port) => `port ${port}`).join(' or ')
    const child = spawn('tshark', ['-q', '-i', 'lo', '-f', filter, '-w', file], { stdio: ['ignore', 'ignore', 'pipe'] })
    lab.teardown(() => child.kill('SIGKILL'))
    await new Promise<void>((resolve, reject) => {
      let said = ''
      const timer = setTimeout(() => reject(new NothingSeen(`tshark does not begin: ${said}`)), beginsMsMax)
      child.stderr?.on('data', (part: Buffer) => {
        said += part.toString()
        if (!said.includes('Capture started')) return
        clearTimeout(timer)
        resolve()
      })
      child.once('close', () => {
        clearTimeout(timer)
        reject(new NothingSeen(`tshark may not listen here: ${said.trim().split('\n').at(-1)}`))
      })
    })
    return new Capture(file, child)
  }

  /** Resolves when all that was heard is in the file. */
  async end(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#child.once('close', () => resolve()))
    this.#child.kill('SIGINT')
    await closed
  }

  /** How often each of the words stands in what was heard, as bytes. */
  counts(words: readonly string[]): ReadonlyMap<string, number> {
    const heard = readFileSync(this.file)
    return new Map(words.map((word) => [word, occurrences(heard, Buffer.from(word))]))
  }

  /** Of each packet that passes the display filter these fields; several values of a field are separated by commas. */
  fields(filter: string, names: readonly string[], more: readonly string[] = []): readonly (readonly string[])[] {
    const words = ['-r', this.file, ...more, '-Y', filter, '-T', 'fields', ...names.flatMap((name) => ['-e', name])]
    const options = {
      maxBuffer: fieldsBytesMax,
      stdio: ['ignore', 'pipe', 'ignore'] as const,
      encoding: 'utf8' as const,
    }
    const lines = execFileSync('tshark', words, { ...options, stdio: [...options.stdio] }).split('\n')
    return lines.filter((line) => line !== '').map((line) => line.split('\t'))
  }
}

function haveTshark(lab: Lab): void {
  if (isThere('tshark')) return
  if (process.getuid?.() !== 0 || !isThere('apt-get')) {
    throw new NothingSeen('this needs tshark (on Debian: apt-get install tshark), and the right to listen on loopback')
  }
  lab.say('tshark is not there: apt-get installs it')
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    execFileSync('apt-get', ['install', '--yes', '--no-install-recommends', 'tshark'], { stdio: 'ignore', env })
  } catch {
    throw new NothingSeen('tshark is not there, and apt-get could not install it (apt-get update first?)')
  }
}

function isThere(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function occurrences(heard: Buffer, word: Buffer): number {
  let count = 0
  for (let at = heard.indexOf(word); at !== -1; at = heard.indexOf(word, at + 1)) count += 1
  return count
}
