import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type RunningNode, startNode } from '../../lib/start-node.ts'
import { directory, json, starling, text } from './fixtures/run-starling.ts'

t.setTimeout(120_000)

t.test('a key is made without asking anybody', async (t) => {
  const printed = await starling(['secret', 'generate'])
  t.match(text(printed), /^[\w-]{43}\n$/)
  t.match(json(await starling(['secret', 'generate', '--json'])), { kind: 'SecretKey', key: /^[\w-]{43}$/ })
  const out = join(directory, 'secret')
  t.match(await starling(['secret', 'generate', '--out', out]), { code: 0, stdout: { length: 0 } })
  const written = readFileSync(out, 'utf8')
  t.match(written, /^[\w-]{43}\n$/)
  t.equal(statSync(out).mode & 0o777, 0o600)
  t.match(await starling(['secret', 'generate', '--out', out]), { code: 2, stderr: /there already[\s\S]*rotate/ })
  t.equal(readFileSync(out, 'utf8'), written)
  const nowhere = join(directory, 'no', 'secret')
  t.match(await starling(['secret', 'generate', '--out', nowhere]), { code: 2, stderr: /--out: .*cannot be written/ })
})

t.test('a node that has no secret it can use does not start, and says why', async (t) => {
  const start = ['start', '--data', join(directory, 'none'), '--peer', '127.0.0.1:0', '--http', '127.0.0.1:0']
  const missing = await starling([...start, '--secret-file', join(directory, 'nowhere')])
  t.match(missing, { code: 2, stderr: /nowhere does not exist[\s\S]*secret generate/ })
  const wrong = join(directory, 'wrong')
  writeFileSync(wrong, 'hunter2\n')
  t.match(await starling([...start, '--secret-file', wrong]), { code: 2, stderr: /wrong: line 1 of the secret file/ })
})

t.test('the key of a running cluster is changed, while it is written to', { timeout: 90_000 }, async (t) => {
  const { nodes, secretFiles } = await secretCluster(t)
  const [n1] = nodes
  const at = ['--endpoint', `http://${n1.http}`]
  const load = startLoad(nodes)
  const before = idsIn(secretFiles)
  const { nodes: keys } = json(await starling(['secret', 'status', '--json', ...at])) as Status
  const old = keys[0]?.sendsWith as string

  const status = await starling(['secret', 'status', ...at])
  t.equal(status.code, 0, status.stderr)
  t.equal(text(status).split(old).length - 1, 3, text(status))
  const tooEarly = await starling(['secret', 'rotate', 'remove', old, '--yes', ...at])
  t.match(tooEarly, { code: 4, stderr: /in use at n1, n2, n3[\s\S]*nothing has changed/ })
  t.match(await starling(['secret', 'rotate', 'add', '--dry-run', ...at]), { code: 0, stderr: /nothing was changed/ })
  t.same(idsIn(secretFiles), before)

  const added = await starling(['secret', 'rotate', 'add', '--json', ...at])
  t.match(json(added), { kind: 'SecretChange', action: 'add', complete: true })
  const { key } = json(added) as { key: string }
  t.match(await starling(['secret', 'rotate', 'use', key.slice(0, 5), ...at]), {
    code: 0,
    stderr: /next: starling secret rotate remove/,
  })
  t.same(
    idsIn(secretFiles),
    nodes.map(() => [key, old]),
    'it is in the files',
  )
  t.match(await starling(['secret', 'rotate', 'remove', old, ...at]), { code: 4, stderr: /--yes/ })
  t.match(await starling(['secret', 'rotate', 'remove', old, '--yes', ...at]), { code: 0 })
  t.same(
    idsIn(secretFiles),
    nodes.map(() => [key]),
  )
  t.match(json(await starling(['secret', 'status', '--json', ...at])), { kind: 'SecretStatus', agreed: true })
  t.match(await starling(['secret', 'rotate', 'use', old, ...at]), { code: 5, stderr: /no node has a key/ })
  for (const file of secretFiles) t.equal(statSync(file).mode & 0o777, 0o600)

  const { written, failures } = await load.stop()
  t.same(failures, [])
  t.ok(written > 20, `${written} writes`)

  await t.test('and a node takes what stands in its file when it is told to look', async (t) => {
    const [file] = secretFiles as readonly [string]
    writeFileSync(file, `${readFileSync(file, 'utf8')}${text(await starling(['secret', 'generate']))}`)
    n1.reload()
    const status = json(await starling(['secret', 'status', '--json', ...at]))
    t.match(status, { agreed: false, nodes: [{ name: 'n1', keys: { length: 2 } }, { keys: { length: 1 } }, {}] })
  })
})

interface Status {
  readonly nodes: readonly { readonly sendsWith: string }[]
}

async function secretCluster(t: Test): Promise<{
  readonly nodes: readonly [RunningNode, RunningNode, RunningNode]
  readonly secretFiles: readonly string[]
}> {
  const home = mkdtempSync(join(tmpdir(), 'starling-rotation-'))
  const secret = text(await starling(['secret', 'generate']))
  const secretFiles = ['n1', 'n2', 'n3'].map((name) => join(home, `${name}.secret`))
  for (const file of secretFiles) writeFileSync(file, secret, { mode: 0o600 })
  const start = (name: string, join_?: readonly string[]): Promise<RunningNode> =>
    startNode({
      ...{ name, data: join(home, name), http: '127.0.0.1:0', peer: '127.0.0.1:0', logLevel: 'error' },
      ...{ secretFile: join(home, `${name}.secret`), partitions: 8, expect: 3 },
      ...(join_ === undefined ? {} : { join: join_ }),
    })
  const n1 = await start('n1')
  const nodes = [n1, await start('n2', [n1.peer]), await start('n3', [n1.peer])] as const
  t.teardown(async () => {
    await Promise.all(nodes.map((node) => node.stop()))
    rmSync(home, { recursive: true })
  })
  while (nodes.some(({ node }) => node.notReadyBecause().length > 0)) await pause(20)
  return { nodes, secretFiles }
}

/** Writes through each node's client, one after the other, until it is stopped. */
function startLoad(nodes: readonly RunningNode[]) {
  const failures: string[] = []
  let written = 0
  let isOver = false
  const running = nodes.map(async ({ db }, at) => {
    for (let number = 0; !isOver; number += 1) {
      try {
        await db.bucket('carts').put(`${at}-${number}`, Uint8Array.of(1), { w: 'all', sloppy: false })
        written += 1
      } catch (error) {
        failures.push(String(error))
      }
      await pause(20)
    }
  })
  return {
    stop: async () => {
      isOver = true
      await Promise.all(running)
      return { written, failures }
    },
  }
}

/** As the comments of the files say, which the nodes write; a file that no node has written yet has none. */
function idsIn(files: readonly string[]): readonly (readonly string[])[] {
  return files.map((file) => {
    const lines = readFileSync(file, 'utf8').split('\n')
    return lines.flatMap((line) => /^# ([0-9a-f]{8})$/.exec(line)?.[1] ?? [])
  })
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
