import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Of one target, so that a clone stays small. */
export const keptInputsMax = 250
export const keptBytesMax = 48 * 1024

/** An input that broke a promise once. */
export interface Finding {
  readonly target: string
  /** What was wrong, in one sentence. */
  readonly about: string
  readonly input: Uint8Array
}

/** What was found interesting about a target, one input a line in base64. */
export function readCorpus(target: string): readonly Uint8Array[] {
  const path = join(directory('corpus'), `${target}.txt`)
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Buffer.from(line, 'base64'))
    .map((bytes) => new Uint8Array(bytes))
}

export function writeCorpus(target: string, inputs: readonly Uint8Array[]): string {
  const path = join(directory('corpus'), `${target}.txt`)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, inputs.map((input) => `${Buffer.from(input).toString('base64')}\n`).join(''))
  return path
}

/** All findings by the names of their files. */
export function readFindings(): ReadonlyMap<string, Finding> {
  const names = readdirSync(directory('findings')).filter((name) => name.endsWith('.json'))
  return new Map(names.toSorted().map((name) => [name.slice(0, -5), readFinding(join(directory('findings'), name))]))
}

export function readFinding(path: string): Finding {
  const { target, about, input } = JSON.parse(readFileSync(path, 'utf8'))
  return { target, about, input: new Uint8Array(Buffer.from(input, 'base64')) }
}

/** Beside those that are kept, under a name nobody has chosen yet. @returns its path */
export function writeFinding(name: string, { target, about, input }: Finding): string {
  const path = join(directory('findings'), `${target}-${name}.json`)
  mkdirSync(dirname(path), { recursive: true })
  const text = { target, about, input: Buffer.from(input).toString('base64') }
  writeFileSync(path, `${JSON.stringify(text, undefined, 2)}\n`)
  return path
}

/** Beside the sources, though programs run compiled, from another directory: found by `package.json`. */
function directory(name: 'corpus' | 'findings'): string {
  let at = realpathSync(fileURLToPath(new URL('.', import.meta.url)))
  while (!existsSync(join(at, 'package.json'))) at = dirname(at)
  return join(dirname(realpathSync(join(at, 'package.json'))), 'test', 'fuzz', name)
}
