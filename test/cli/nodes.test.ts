import { statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { directory, json, type Ran, spawnStarling, starling, text } from './fixtures/run-starling.ts'

const anyPort = ['--http', '127.0.0.1:0', '--peer', '127.0.0.1:0', '--log-level', 'error']

t.test('start runs a node that serves until SIGTERM, and exits with 0', async (t) => {
  const data = join(directory, 'alone')
  const child = spawnStarling(['start', '--data', data, ...anyPort, '--json'])
  t.teardown(() => child.kill('SIGKILL'))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const { http, pid } = JSON.parse(await firstLine(child.stdout))
  t.equal(pid, child.pid)
  const at = ['--endpoint', `http://${http}`]
  await ready(at)
  t.match(await starling(['kv', 'put', 'towns', 'zurich', 'Lake', ...at]), { code: 0 })
  const [got, status, listed, explained, second] = await Promise.all([
    starling(['kv', 'get', 'towns', 'zurich', ...at]),
    starling(['cluster', 'status', '--json', ...at]),
    starling(['kv', 'scan', 'towns', ...at]),
    starling(['explain', 'towns', 'zurich', '--json', ...at]),
    starling(['start', '--data', data, ...anyPort]),
  ])
  t.equal(text(got), 'Lake')
  t.match(json(status), { cluster: 'starling', members: [{ state: 'alive', owns: 1 }] })
  t.equal(text(listed), 'zurich\n')
  t.match(json(explained), { kind: 'Explanation', agreed: true, owners: [{ holds: 'siblings' }] })
  t.match(second, { code: 1, stderr: /\(directory-locked\)\n {2}hint: / })
  child.kill('SIGTERM')
  t.equal(await ended, 0)
})

t.test('demo runs real processes, outlives one of them, and stops them all', async (t) => {
  const { child, port, nodes, output } = await startedDemo(t)
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [first, second] = nodes as [(typeof nodes)[0], (typeof nodes)[0]]
  t.equal(nodes.length, 2)
  t.equal(first.http, `http://127.0.0.1:${port}`)
  t.match(await starling(['kv', 'put', 'b', 'k', 'v', '--endpoint', first.http]), { code: 0 })
  t.equal(text(await starling(['kv', 'get', 'b', 'k', '--endpoint', second.http])), 'v')
  process.kill(second.pid, 'SIGKILL')
  while (!output().includes(second.restart)) await new Promise((resolve) => child.stderr?.once('data', resolve))
  t.match(output(), /n2 ended by SIGKILL; the others go on\n {2}start it again with: /)
  t.equal(text(await starling(['kv', 'get', 'b', 'k', '--r', '1', '--endpoint', first.http])), 'v')
  child.kill('SIGTERM')
  t.equal(await ended, 0)
  t.throws(() => process.kill(first.pid, 0), { code: 'ESRCH' })
})

t.test('a secure demo is closed to whoever has not its secret or its token', async (t) => {
  const data = join(directory, 'secure-demo')
  const { child, nodes, locks } = await startedDemo(t, ['--secure', '--data', data])
  const [first, second] = nodes as [DemoNode, DemoNode]
  t.same(locks, { secretFile: `${data}/secret`, tokenFile: `${data}/token` })
  for (const file of Object.values(locks)) t.equal(statSync(file).mode & 0o777, 0o600)
  t.match(first.restart, /--secret-file [^ ]+\/secret --token-file [^ ]+\/token$/)
  const put = ['kv', 'put', 'b', 'k', 'v', '--endpoint', first.http]
  t.match(await starling(put), { code: 4, stderr: /asks for a token/ })
  t.match(await starling([...put, '--token-file', locks.tokenFile]), { code: 0 })
  const got = await starling(['kv', 'get', 'b', 'k', '--endpoint', second.http], {
    env: { STARLING_TOKEN_FILE: locks.tokenFile },
  })
  t.equal(text(got), 'v')
  child.kill('SIGTERM')
  await new Promise((resolve) => child.once('close', resolve))
})

interface DemoNode {
  readonly pid: number
  readonly http: string
  readonly restart: string
}

interface DemoSaid {
  readonly nodes: readonly DemoNode[]
  readonly secretFile?: string
  readonly tokenFile?: string
}

/** A demo of two nodes on ports that nobody else has: below those that the system gives to outgoing connections. */
async function startedDemo(t: Test, flags: readonly string[] = []) {
  for (let attempt = 0; ; attempt += 1) {
    const port = 20_000 + ((process.pid + attempt * 37) % 1_200) * 10
    const child = spawnStarling(['demo', '--nodes', '2', '--port', String(port), '--json', ...flags])
    t.teardown(() => child.kill('SIGTERM'))
    let said = ''
    child.stderr?.on('data', (part: Buffer) => {
      said += part.toString()
    })
    try {
      const { nodes, ...locks } = JSON.parse(await firstLine(child.stdout)) as DemoSaid
      const { secretFile = '', tokenFile = '' } = locks
      return { child, port, nodes, locks: { secretFile, tokenFile }, output: () => said }
    } catch (error) {
      if (attempt === 4) throw new Error(`no demo starts: ${said}`, { cause: error })
    }
  }
}

async function ready(at: readonly string[]): Promise<void> {
  let ran: Ran
  do ran = await starling(['node', 'status', '--check', ...at])
  while (ran.code === 8)
}

async function firstLine(stream: NodeJS.ReadableStream | null): Promise<string> {
  for await (const line of createInterface({ input: stream as NodeJS.ReadableStream })) return line
  throw new Error('the command ended without a line')
}
