import { spawn } from 'node:child_process'
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath, pathToFileURL } from 'node:url'
import t from 'tap'

/** The programs of docs/testing.md, as they stand there, with fewer seeds. */

const lib = pathToFileURL(fileURLToPath(new URL('../../lib', import.meta.url))).href
const seedsHere = 6

t.setTimeout(120_000)

t.test('the test of docs/testing.md passes, and finds a merge function that is wrong', async (t) => {
  const files = programs()
  t.same([...files.keys()], ['cart.js', 'cart.test.js', 'believing-in-clocks.js'])
  const directory = t.testdir({ 'package.json': '{"type":"module"}' })
  for (const [name, source] of files) writeFileSync(join(directory, name), adapted(source))
  t.match(await run(directory), { code: 0, said: new RegExp(`^# pass ${seedsHere}$`, 'm') })
  writeFileSync(join(directory, 'cart.js'), adapted(files.get('believing-in-clocks.js') as string))
  t.match(await run(directory), { code: 1, said: /^not ok .*no addition is lost \(seed \d\)/m })
})

function programs(): ReadonlyMap<string, string> {
  const page = readFileSync(join(packageRoot(), 'docs/testing.md'), 'utf8')
  const blocks = page.matchAll(/^```js\n\/\/ (.*)\n([\s\S]*?)^```$/gm)
  return new Map([...blocks].map(([, name, source]) => [name as string, source as string]))
}

function adapted(source: string): string {
  return source
    .replace("'starling-kv/client'", `'${lib}/connect.js'`)
    .replace("'starling-kv/testing'", `'${lib}/testing.js'`)
    .replace('seed <= 200', `seed <= ${seedsHere}`)
}

async function run(directory: string): Promise<{ readonly code: number; readonly said: string }> {
  const child = spawn(process.execPath, ['--test-reporter=tap', 'cart.test.js'], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'inherit'],
    // Whoever runs this test must not be taken for the runner of that one.
    env: { ...process.env, NODE_OPTIONS: '', NODE_TEST_CONTEXT: undefined },
  })
  const ended = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)))
  const said = await text(child.stdout)
  return { code: await ended, said }
}

function packageRoot(): string {
  let directory = realpathSync(fileURLToPath(new URL('.', import.meta.url)))
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory)
  return dirname(realpathSync(join(directory, 'package.json')))
}
