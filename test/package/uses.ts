import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What somebody who has just installed the package does with each of its entries: programs, and what they print. */
const uses: readonly { readonly name: string; readonly source: string; readonly prints: string }[] = [
  {
    name: 'everything',
    source: `
      import { connect, HttpClient, json, startNode } from 'starling-kv'
      const node = await startNode({ data: './data', http: '127.0.0.1:0', peer: '127.0.0.1:0', logLevel: 'error' })
      const db = await connect([node.peer])
      await db.bucket('b', { codec: json }).put('k', { n: 1 })
      const found = await new HttpClient({ endpoints: ['http://' + node.http], retries: 3 }).get('b', 'k')
      console.log(new TextDecoder().decode(found.siblings[0].value))
      console.log((await node.db.bucket('b', { codec: json }).get('k')).siblings[0].value.n)
      await db.close()
      await node.stop()`,
    prints: '{"n":1}\n1\n',
  },
  {
    name: 'client',
    source: `
      import { connect, msgpack, Unreachable } from 'starling-kv/client'
      const error = await connect(['127.0.0.1:9'], { connectTimeoutMs: 100 }).catch((error) => error)
      console.log(error instanceof Unreachable, error.code, msgpack.contentType)`,
    prints: 'true unreachable application/vnd.msgpack\n',
  },
  {
    name: 'http',
    source: `
      import { HttpClient, StarlingError } from 'starling-kv/http'
      const client = new HttpClient({ endpoints: ['http://127.0.0.1:9'] })
      const error = await client.get('b', 'k').catch((error) => error)
      console.log(error instanceof StarlingError, error.code)`,
    prints: 'true unreachable\n',
  },
  {
    name: 'testing',
    source: `
      import { simulateCluster } from 'starling-kv/testing'
      const cluster = await simulateCluster({ nodes: 3, seed: 7 })
      await cluster.crash('bob')
      await cluster.database('ada').bucket('b').put('k', new Uint8Array([1]))
      await cluster.restart('bob')
      await cluster.settle()
      console.log(cluster.copies('b', 'k').map(({ siblings }) => siblings.length).join())
      await cluster.close()`,
    prints: '1,1,1\n',
  },
]

/** Runs each of them in a project that has installed the package; says what went wrong, nothing if nothing did. */
export function problemsOf(project: string, node: string): readonly string[] {
  const problems: string[] = []
  const expect = (name: string, wanted: string | RegExp, run: () => string): void => {
    try {
      const said = run()
      const isSo = typeof wanted === 'string' ? said === wanted : wanted.test(said)
      if (!isSo) problems.push(`${name} prints ${JSON.stringify(said)}`)
    } catch (error) {
      problems.push(`${name}: ${(error as Error).message}`)
    }
  }
  for (const { name, source, prints } of uses) {
    const file = join(project, `${name}.mjs`)
    writeFileSync(file, source)
    expect(name, prints, () => runNode(project, node, [file]))
  }
  const command = join(project, 'node_modules/starling-kv/dist/bin/starling.js')
  expect('starling --version', /^\d+\.\d+\.\d+\n$/, () => runNode(project, node, [command, '--version']))
  expect('starling help', /^Usage: starling /, () => runNode(project, node, [command, 'help']))
  return problems
}

function runNode(cwd: string, node: string, words: readonly string[]): string {
  return execFileSync(node, words, {
    cwd,
    encoding: 'utf8',
    timeout: 60_000,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Whatever the runner of a test tells its children is not for these.
    env: { ...process.env, NODE_OPTIONS: '' },
  })
}
