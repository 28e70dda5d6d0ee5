import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Script } from './script.ts'
import type { Shrunk } from './shrink-run.ts'

/** A run that broke a promise once, and must not do so again. */
export interface Regression extends Script {
  readonly check: string
  /** How it broke. */
  readonly message: string
  /** The bug was a known one, put in from outside. */
  readonly mutant?: string | undefined
}

/** Beside the sources, though programs run compiled, from another directory: found by `package.json`. */
export function regressionsDirectory(): string {
  let directory = realpathSync(fileURLToPath(new URL('.', import.meta.url)))
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory)
  return join(dirname(realpathSync(join(directory, 'package.json'))), 'test', 'simulation', 'regressions')
}

/** All of them, by the names of their files. */
export function readRegressions(): ReadonlyMap<string, Regression> {
  const directory = regressionsDirectory()
  const names = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.json')) : []
  return new Map(names.toSorted().map((name) => [name, readRegression(join(directory, name))]))
}

export function readRegression(path: string): Regression {
  return JSON.parse(readFileSync(path, 'utf8'))
}

/** Keeps it as a named test, and returns where. */
export function writeRegression(
  { check, message, mutant, script }: Shrunk,
  directory = regressionsDirectory(),
): string {
  const name = [check, ...(mutant === undefined ? [] : [mutant]), script.seed].join('-')
  const path = join(directory, `${name}.json`)
  mkdirSync(directory, { recursive: true })
  writeFileSync(path, regressionText({ check, message, mutant, ...script }))
  return path
}

/** JSON, with a line for each operation and each fault. */
function regressionText(regression: Regression): string {
  const fields = Object.entries(regression).flatMap(([name, value]) => {
    if (value === undefined) return []
    const lines = Array.isArray(value) ? value.map((item) => `    ${JSON.stringify(item)}`) : []
    return [`  "${name}": ${lines.length === 0 ? JSON.stringify(value) : `[\n${lines.join(',\n')}\n  ]`}`]
  })
  return `{\n${fields.join(',\n')}\n}\n`
}
