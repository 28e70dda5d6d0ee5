import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../package/packed.ts'

/**
 * The pieces of TypeScript in the documentation of the library, as a compiler sees them that has the package and nothing
 * else: no types of Node.js. (The pieces of JavaScript are run: test/client/cluster.test.ts and test/testing/docs.test.ts.)
 */

t.setTimeout(120_000)

const pages = ['docs/client-library.md', 'docs/testing.md', 'README.md']

/** What the pages before a piece have made. */
const prelude = `
import type { Bucket, Database } from 'starling-kv'
import type { SimulatedCluster } from 'starling-kv/testing'
declare global {
  const db: Database
  const cluster: SimulatedCluster
  const carts: Bucket<unknown>
  const cart: readonly string[]
}
`

t.test('every piece of TypeScript in the documentation compiles', async (t) => {
  const directory = t.testdir({ 'prelude.ts': prelude, 'tsconfig.json': JSON.stringify(configuration()) })
  let count = 0
  for (const page of pages) {
    for (const [index, source] of piecesOf(page).entries()) {
      count += 1
      writeFileSync(join(directory, `${page.replaceAll(/\W/g, '-')}-${index}.ts`), `${source}\nexport {}\n`)
    }
  }
  t.ok(count >= 5, `${count} pieces`)
  t.equal(compile(directory), '')
})

t.test('the compiler itself notices', async (t) => {
  const wrong = "import { connect } from 'starling-kv/client'\nconst db: number = await connect([])\n"
  const directory = t.testdir({ 'wrong.ts': wrong, 'tsconfig.json': JSON.stringify(configuration()) })
  t.match(compile(directory), /wrong\.ts.*Database/)
})

function piecesOf(page: string): readonly string[] {
  const text = readFileSync(join(packageRoot(), page), 'utf8')
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, source]) => source as string)
}

/** As in a project that installed the package: inside the repository its name means itself, by way of `exports`. */
function configuration() {
  const compilerOptions = {
    strict: true,
    noEmit: true,
    target: 'ES2022',
    lib: ['ES2024', 'DOM', 'DOM.Iterable', 'DOM.AsyncIterable', 'ESNext.Disposable'],
    module: 'NodeNext',
    exactOptionalPropertyTypes: true,
    types: [],
  }
  return { compilerOptions, include: ['*.ts'] }
}

/** What the compiler complains of; empty: nothing. */
function compile(directory: string): string {
  const program = join(packageRoot(), 'node_modules/typescript/bin/tsc')
  // The test runner gives its loader to every process that is begun, and the compiler is a module that it cannot load.
  const withoutLoader = ['-c', 'NODE_OPTIONS= exec "$0" "$@"', process.execPath]
  try {
    execFileSync('sh', [...withoutLoader, program, '-p', directory], { encoding: 'utf8', stdio: 'pipe' })
    return ''
  } catch (error) {
    const { stdout, message } = error as { readonly stdout?: string; readonly message: string }
    return stdout === undefined || stdout === '' ? message : stdout
  }
}
