import { cliReference } from '../cli/fixtures/cli-reference.ts'
import { settingsTable } from '../settings/fixtures/settings-table.ts'
import { httpReference } from './http-reference.ts'
import { permissionsReference } from './permissions-table.ts'

/** The parts of the documentation that are made from the code. `npm run docs` writes them; a test compares. */
export const references: Readonly<Record<string, () => string>> = {
  'docs/cli.md': cliReference,
  'docs/http-reference.md': httpReference,
  'docs/security.md': permissionsReference,
  'docs/settings.md': settingsTable,
}

/** Files that are made as a whole. */
export { pictures } from './pictures.ts'

const begin = '<!-- what follows is written by npm run docs -->'
const end = '<!-- what precedes is written by npm run docs -->'

/** The page with `reference` between its marks. */
export function withReference(page: string, reference: string): string {
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  if (from === -1 || to < from) throw new Error('the page has no marks around its reference')
  return `${page.slice(0, from + begin.length)}\n\n${reference.trim()}\n\n${page.slice(to)}`
}
