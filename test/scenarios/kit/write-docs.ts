import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { reportOf } from './report.ts'
import type { Scenario, ScenarioResult } from './scenario.ts'

const page = 'docs/scenarios.md'

/** Replaces what docs/scenarios.md keeps of this scenario, or adds it. Run from the top of the repository. */
export function writeToDocs(result: ScenarioResult, catalogue: readonly Scenario[]): void {
  if (!existsSync(page)) throw new Error(`run this where ${page} is`)
  writeFileSync(page, withResult(readFileSync(page, 'utf8'), result, catalogue))
}

/** The page has one section for each scenario that was kept, in the order of the catalogue, after everything else. */
export function withResult(text: string, result: ScenarioResult, catalogue: readonly Scenario[]): string {
  const [head = '', ...sections] = text.split(/^(?=## `)/m)
  const kept = new Map(sections.map((section) => [/^## `([\w-]+)`/.exec(section)?.[1] ?? '', section.trimEnd()]))
  kept.set(
    result.scenario,
    sectionOf(
      result,
      catalogue.find(({ name }) => name === result.scenario),
    ),
  )
  const ordered = catalogue.map(({ name }) => kept.get(name)).filter((section) => section !== undefined)
  return `${[head.trimEnd(), ...ordered].join('\n\n')}\n`
}

function sectionOf(result: ScenarioResult, scenario: Scenario | undefined): string {
  return [`## \`${result.scenario}\``, '', sentence(scenario?.summary ?? ''), '', '```', reportOf(result), '```'].join(
    '\n',
  )
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`
}
