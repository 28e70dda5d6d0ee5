import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { errorPages } from '../lib/http/error-status.ts'
import { startNode } from '../lib/start-node.ts'
import type { ErrorCode } from '../lib/vocabulary/errors.ts'

/** The pages say what is so: links lead somewhere, files exist, and tables are those of the code. */

const root = findRoot()
const pages = [
  ...['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'SECURITY.md'],
  ...['docs', 'examples', 'bench', 'deploy', 'jepsen-lite', 'test'].flatMap(markdownIn),
]

t.test('every link inside the repository leads to a page and a heading that exist', async (t) => {
  let count = 0
  for (const page of pages) {
    for (const [, target] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (target === undefined || /^[a-z]+:/.test(target)) continue
      count += 1
      const [path, anchor] = target.split('#') as [string, string | undefined]
      const to = path === '' ? page : join(dirname(page), path)
      if (!isThere(to)) t.fail(`${page} links to ${target}`)
      else if (anchor !== undefined && existsSync(join(root, to)) && !anchorsIn(to).has(anchor))
        t.fail(`${page} links to ${target}: no such heading`)
    }
  }
  t.ok(count > 25, `${count} links`)
})

t.test('every path that a page names exists', async (t) => {
  let count = 0
  for (const page of pages) {
    for (const path of pathsIn(read(page))) {
      count += 1
      if (!isThere(path)) t.fail(`${page} names ${path}`)
    }
  }
  t.ok(count > 100, `${count} paths`)
})

t.test('every page that the code refers to exists', async (t) => {
  for (const file of sources()) {
    for (const [named] of read(file).matchAll(/\bdocs\/(?:decisions\/\d{4}|[\w/-]+\.md)/g)) {
      const isPage = named.includes('decisions/') ? pages.some((page) => page.startsWith(named)) : isThere(named)
      if (!isPage) t.fail(`${file} refers to ${named}`)
    }
  }
  t.pass('checked')
})

t.test('each decision has a number of its own', async (t) => {
  const numbers = readdirSync(join(root, 'docs/decisions')).map((name) => name.slice(0, 4))
  t.equal(new Set(numbers).size, numbers.length)
})

t.test('the room table of ARCHITECTURE.md is the one that the code is checked against', async (t) => {
  const table = roomTable()
  t.ok(read('ARCHITECTURE.md').includes(table), 'the same table', { table })
})

t.test('docs/rules.md has every rule, each in force or not, and those in force with a file and a test', async (t) => {
  const rules = new Map(
    [...read('docs/rules.md').matchAll(/^### ([A-Z]\d+)\. .*\n\n([\s\S]*?)(?=^#|$(?![\s\S]))/gm)].map(
      ([, name, body]) => [name as string, body as string],
    ),
  )
  t.same([...rules.keys()], ruleNames())
  for (const [name, body] of rules) {
    const status = /^\*(In force|In force in part|Not built yet)\.\*/.exec(body)?.[1]
    if (status === undefined) t.fail(`${name} says whether it is in force`)
    else if (status === 'Not built yet') t.pass(name)
    else {
      const paths = pathsIn(body)
      t.ok(paths.some((path) => path.startsWith('lib/')) && paths.some((path) => path.startsWith('test/')), name)
    }
  }
})

t.test('docs/operations.md says what to do for every reason not to start', async (t) => {
  const text = read('docs/operations.md')
  const codes = [...read('lib/node/start-problem.ts').matchAll(/\| '([a-z-]+)'/g)].map(([, code]) => code as string)
  t.ok(codes.length >= 10)
  for (const code of codes) t.match(text, new RegExp(`^\\| \`${code}\` \\|`, 'm'))
})

t.test('docs/README.md leads to every page', async (t) => {
  const index = read('docs/README.md')
  for (const page of pages.filter((page) => /^docs\/[^/]+\.md$/.test(page) && page !== 'docs/README.md'))
    t.ok(index.includes(`](${page.slice('docs/'.length)})`), page)
})

t.test('docs/errors.md says of every code what happened, what it leaves behind and what to do', async (t) => {
  const text = read('docs/errors.md')
  const rows = [...text.matchAll(/^\| `([a-z-]+)` \| (\d+) \| (.+) \| (.+) \| (.+) \|$/gm)]
  t.same(rows.map(([, code]) => code).sort(), Object.keys(errorPages).sort())
  for (const [, code = '', status, ...cells] of rows) {
    t.equal(Number(status), errorPages[code as ErrorCode].status, code)
    t.ok(
      cells.every((cell) => cell.length > 5),
      code,
    )
    t.match(cells[1] ?? '', /nothing changed|may have changed/, code)
  }
})

t.test('docs/metrics.md lists exactly what a node exposes', async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'starling-docs-'))
  const node = await startNode({ data, http: '127.0.0.1:0', peer: '127.0.0.1:0', logLevel: 'error' })
  t.teardown(async () => {
    await node.stop()
    rmSync(data, { recursive: true })
  })
  const exposed = await (await fetch(`http://${node.http}/metrics`)).text()
  const types = [...exposed.matchAll(/^# TYPE (starling_\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`)
  const rows = [...read('docs/metrics.md').matchAll(/^\| `(starling_\w+)(?:\{[\w,]+\})?` \| (\w+) \|/gm)]
  t.same(rows.map(([, name, type]) => `${name} ${type}`).sort(), types.sort())
  for (const [, name, labels = ''] of read('docs/metrics.md').matchAll(/^\| `(starling_\w+)(?:\{([\w,]+)\})?` \|/gm)) {
    // A series with labels is there once it was used.
    const series = new RegExp(`^${name}(?:_bucket|_sum|_count)?(?:\\{(.*)\\})? `, 'm').exec(exposed)
    if (series === null) continue
    const used = [...(series[1] ?? '').matchAll(/(\w+)="/g)].map(([, label]) => label).filter((label) => label !== 'le')
    t.same(used.join(), labels, `${name} and its labels`)
  }
})

t.test('the checks themselves notice', async (t) => {
  t.same(pathsIn('see lib/node/node.ts, `test/links` and dist/lib/x.js; /docs/style.css'), [
    'lib/node/node.ts',
    'test/links',
  ])
  t.ok(anchorsIn('README.md').has('what-is-not-there-yet'))
})

/** The table of test/architecture.test.ts, which is data without types, as a table for people. */
function roomTable(): string {
  interface Room {
    readonly rooms: readonly string[]
    readonly typesOf?: readonly string[]
    readonly packages?: readonly string[]
  }
  const literal = /^const rooms: .* = (\{[\s\S]*?\n\})$/m.exec(read('test/architecture.test.ts'))?.[1]
  const rooms = new Function('anything', `return ${literal}`)(['*']) as Readonly<Record<string, Room>>
  const cell = (names: readonly string[] = []): string =>
    names.includes('*') ? 'everything' : names.map((name) => name.replace(/^lib\//, '').replace(/:$/, ':*')).join(', ')
  const rows = Object.entries(rooms).map(
    ([name, { rooms, typesOf, packages }]) => `| ${name} | ${cell(rooms)} | ${cell(typesOf)} | ${cell(packages)} |`,
  )
  return ['| room | may import | types of | packages |', '| --- | --- | --- | --- |', ...rows]
    .map((row) => row.replaceAll(/ {2,}/g, ' '))
    .join('\n')
}

function isThere(path: string): boolean {
  return existsSync(join(root, path))
}

function ruleNames(): readonly string[] {
  const counts = { A: 10, K: 4, L: 5, T: 8, Q: 6, I: 2, S: 1, D: 7, H: 3, M: 2 }
  return Object.entries(counts).flatMap(([letter, count]) =>
    Array.from({ length: count }, (_, index) => `${letter}${index + 1}`),
  )
}

function pathsIn(text: string): readonly string[] {
  const found = text.matchAll(/(?<![\w/.:-])(?:lib|test|docs|bench|examples|bin)\/[\w./-]*\w/g)
  return [...found].map(([path]) => path)
}

/** The anchors of a page as GitHub makes them of its headings. */
function anchorsIn(page: string): ReadonlySet<string> {
  const headings = [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading as string)
  const slugs = headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
  return new Set(slugs)
}

function markdownIn(top: string): readonly string[] {
  if (!isThere(top)) return []
  return readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(top, name))
}

function sources(): readonly string[] {
  return ['lib', 'test', 'bench', 'examples', 'bin'].flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(top, name))
      .filter((name) => name !== relative(root, join(root, 'test/docs.test.ts'))),
  )
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** The tests run compiled, from another directory than the sources: the pages are beside the real `package.json`. */
function findRoot(): string {
  let directory = realpathSync(fileURLToPath(new URL('.', import.meta.url)))
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory)
  return dirname(realpathSync(join(directory, 'package.json')))
}
