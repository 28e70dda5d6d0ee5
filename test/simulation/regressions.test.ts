import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { drawConfiguration } from './configuration.ts'
import { readRegression, readRegressions, writeRegression } from './regressions.ts'
import { runScript, type Shrunk } from './shrink-run.ts'

t.test('what broke a promise once does not break it again', async (t) => {
  const regressions = readRegressions()
  t.ok(regressions.size > 0, `${regressions.size} runs are kept`)
  for (const [name, regression] of regressions) {
    // What has been added to runs since has to be given a value in what is kept, or it would be another run.
    t.same(missing(regression.configuration), [], `${name} says everything that a run is drawn from`)
    const { violations } = runScript(regression)
    t.same(
      violations.map(({ check, message }) => `${check}: ${message}`),
      [],
      `${name}: ${regression.message}`,
    )
  }
})

t.test('what is kept can be read again as it was', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'starling-regressions-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const script: Shrunk['script'] = {
    seed: 7,
    configuration: drawConfiguration(7),
    lastsMs: 0,
    operations: [
      { atMs: 1, client: 0, number: 1, type: 'put', key: 'k0', node: 'ada', context: 'none' },
      { atMs: 2, client: 0, number: 2, type: 'get', key: 'k0', node: 'bob' },
    ],
    faults: [{ atMs: 1.5, kind: 'isolate', side: ['ada'], lastsMs: 100 }],
  }
  const shrunk: Shrunk = {
    check: 'lost-write',
    message: 'a value is lost',
    mutant: undefined,
    script,
    runs: 1,
    seconds: 1,
  }
  const path = writeRegression(shrunk, directory)
  t.match(path, /lost-write-7\.json$/)
  const { churn: _none, ...configuration } = script.configuration
  t.match(readRegression(path), { ...script, configuration, check: 'lost-write', message: 'a value is lost' })
})

/** Fields that are drawn, and that those of an older run lack. */
function missing(configuration: object): readonly string[] {
  return Object.keys(drawConfiguration(1)).filter((name) => !isOptional(name) && !(name in configuration))
}

function isOptional(name: string): boolean {
  return name === 'churn' || name === 'valueLog' || name === 'switchesValueLog' || name === 'rotateEveryMs'
}
