import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

/** The README's tour, run as it stands there, on a cluster like the one of `npm start`. */

const program = fileURLToPath(new URL('../bin/starling.js', import.meta.url))
const library = new URL('../lib/index.js', import.meta.url).href
const readme = readFileSync(readmePath(), 'utf8')
/** What the README says for n3's pid. */
const pidInReadme = '12345'
const stepMsMax = 30_000
const complaintCharsMax = 3_000

t.test('every command of the README does what the README says', { timeout: 150_000 }, async (t) => {
  const { status } = spawnSync('curl', ['--version'])
  if (status !== 0) {
    t.fail('the tour needs curl: apt-get install curl, apk add curl, or https://curl.se/download')
    return
  }
  const steps = stepsIn(readme)
  t.ok(steps.length >= 12, `${steps.length} steps`)
  const cluster = await startDemo(t)
  const shell = new Shell(t, cluster.directory)
  for (const { language, body, expected } of steps) {
    const commands = language === 'js' ? programIn(cluster.directory, cluster.adapt(body)) : body
    const title = body.split('\n').at(-1) as string
    const wanted = cluster.adapt(expected)
    let said = await shell.run(cluster.adapt(commands))
    // What one owner has not heard of yet, it will have in a moment. Whatever changes something is done once.
    for (let tries = 0; changesNothing(commands) && !agrees(said, wanted) && tries < 15; tries += 1) {
      await sleep(200)
      said = await shell.run(cluster.adapt(commands))
    }
    if (agrees(said, wanted)) t.pass(title)
    else t.fail(title, { wanted, said, complaints: shell.complaints })
  }
})

t.test('the README names no command of npm that there is not', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(dirname(readmePath()), 'package.json'), 'utf8')) as {
    scripts: Readonly<Record<string, string>>
  }
  const named = new Set(
    [...readme.matchAll(/\bnpm (?:run )?([a-z-]+)(?=`| &&|$| --)/gm)].map(([, name]) => name as string),
  )
  for (const name of named) t.ok(name === 'ci' || name in scripts, `npm ${name}`)
})

t.test('the comparison itself notices', async (t) => {
  t.ok(agrees('a: 1\nb: xyz\nd\n', 'a: 1\nb: ...\n...\n'))
  t.ok(agrees('HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n\r\nbody', 'HTTP/1.1 200 OK\nA: 1\n...\n\nbody'))
  t.notOk(agrees('a: 2', 'a: 1'))
  t.notOk(agrees('a: 1\nb', 'a: 1'))
  t.notOk(agrees('a: 1', 'a: 1\nb'))
  t.notOk(agrees('{"siblings":[]}', '{"siblings":[{...}]}'))
  t.same(stepsIn('```sh\na\n```\n\ntext\n\n```\nb\n```\n\n```js\nc\n```\n'), [
    { language: 'sh', body: 'a', expected: 'b' },
    { language: 'js', body: 'c', expected: '' },
  ])
})

interface Step {
  readonly language: 'sh' | 'js'
  readonly body: string
  /** What the block without a language behind it says; empty: nothing is promised, and nothing may come. */
  readonly expected: string
}

function stepsIn(markdown: string): readonly Step[] {
  const blocks = [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, body]) => ({
    language,
    body: (body as string).trimEnd(),
  }))
  return blocks.flatMap(({ language, body }, at) => {
    if (language !== 'sh' && language !== 'js') return []
    const next = blocks[at + 1]
    return [{ language, body, expected: next?.language === '' ? next.body : '' }]
  })
}

/** Puts a program of the README beside the data, with the package under test, and says how to run it. */
function programIn(directory: string, source: string): string {
  const name = `program-${Math.random().toString(36).slice(2)}.mjs`
  writeFileSync(join(directory, name), source.replace("'starling-kv'", `'${library}'`))
  return `node ${name}`
}

/** `...` stands for anything on its line; alone on a line, for any number of lines. */
function agrees(said: string, wanted: string): boolean {
  const pattern = tidy(wanted)
    .split('\n')
    .map((line) => (line === '...' ? '(?:.*\\n)*?' : `${line.split('...').map(escapePattern).join('.*')}\\n`))
    .join('')
  return new RegExp(`^${pattern}$`).test(`${tidy(said)}\n`)
}

function tidy(text: string): string {
  const lines = text.replaceAll('\r', '').replaceAll(/ +/g, ' ').replaceAll(/ +$/gm, '').trimEnd()
  const sorted = `${lines}\n`.replaceAll(
    /(?:^n\d .*\n)+/gm,
    (rows) => `${rows.trimEnd().split('\n').sort().join('\n')}\n`,
  )
  return sorted.trimEnd()
}

function escapePattern(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function changesNothing(commands: string): boolean {
  return !/-X|kill|kv (put|delete)|&$|^node /m.test(commands)
}

/** One bash for the whole tour: a variable that one step sets is there in the next. */
class Shell {
  readonly #bash: ChildProcess
  #said = ''
  /** The end of what came on standard error: nothing is promised of it, but it tells why a step failed. */
  complaints = ''

  constructor(t: Test, directory: string) {
    this.#bash = spawn('bash', ['--noprofile', '--norc'], { cwd: directory, stdio: 'pipe' })
    this.#bash.stderr?.on('data', (part: Buffer) => {
      this.complaints = `${this.complaints}${part.toString()}`.slice(-complaintCharsMax)
    })
    this.#bash.stdout?.on('data', (part: Buffer) => {
      this.#said += part.toString()
    })
    t.teardown(async () => {
      const ended = new Promise((resolve) => this.#bash.once('close', resolve))
      this.#bash.stdin?.end('kill $(jobs -p); wait\n')
      await ended
    })
  }

  async run(commands: string): Promise<string> {
    const mark = `--- ${Math.random()} ---`
    this.#said = ''
    this.#bash.stdin?.write(`${commands}\necho; echo '${mark}'\n`)
    const giveUpMs = Date.now() + stepMsMax
    while (!this.#said.includes(mark)) {
      if (Date.now() > giveUpMs) throw new Error(`no end of: ${commands}\n${this.#said}`)
      await sleep(10)
    }
    return this.#said.slice(0, this.#said.indexOf(mark))
  }
}

interface Demo {
  readonly directory: string
  /** The README's ports, pid and program replaced by those of this cluster. */
  readonly adapt: (text: string) => string
}

async function startDemo(t: Test): Promise<Demo> {
  const directory = mkdtempSync(join(tmpdir(), 'starling-readme-'))
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const port = 10_000 + ((process.pid + attempt * 37) % 900) * 10
    const nodes = await tryDemo(t, directory, port)
    if (nodes === undefined) continue
    const third = nodes.find(({ name }) => name === 'n3')
    if (third === undefined) throw new Error('a demo has three nodes')
    const adapt = (text: string): string =>
      text
        .replaceAll(/\b127\.0\.0\.1:70(\d\d)\b/g, (_, digits: string) => `127.0.0.1:${port + Number(digits) - 70}`)
        .replaceAll(pidInReadme, String(third.pid))
        .replaceAll('dist/bin/starling.js', `'${program}'`)
        .replaceAll('starling() { node', `starling() { STARLING_ENDPOINT=http://127.0.0.1:${port} node`)
    return { directory, adapt }
  }
  throw new Error('no ports are free')
}

async function tryDemo(
  t: Test,
  directory: string,
  port: number,
): Promise<readonly { readonly name: string; readonly pid: number }[] | undefined> {
  const child = spawn(process.execPath, [program, 'demo', '--port', String(port), '--json'], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const first = new Promise<string | undefined>((resolve) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).once('line', resolve)
    child.once('close', () => resolve(undefined))
  })
  const line = await first
  if (line === undefined) return undefined
  t.teardown(async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(directory, { recursive: true, force: true })
  })
  return (JSON.parse(line) as { nodes: readonly { name: string; pid: number }[] }).nodes
}

/** The tests run compiled, from another directory than the sources: the README is beside the real `package.json`. */
function readmePath(): string {
  let directory = realpathSync(fileURLToPath(new URL('.', import.meta.url)))
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory)
  return join(dirname(realpathSync(join(directory, 'package.json'))), 'README.md')
}
