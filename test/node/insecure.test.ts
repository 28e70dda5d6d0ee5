import { join } from 'node:path'
import t from 'tap'
import { starling, text } from '../cli/fixtures/run-starling.ts'
import { scratchDirectory } from '../platform/fixtures/scratch.ts'
import { json, NodeProcess, ready } from './fixtures/real-nodes.ts'
import { TestCluster } from './fixtures/test-cluster.ts'

t.test('every member knows which of them are open to strangers', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'], {
    change: (settings) => ({ ...settings, isInsecure: settings.name === 'bob' }),
  })
  for (const name of cluster.names) {
    const open = cluster.status(name).members.filter(({ isInsecure }) => isInsecure)
    t.same(
      open.map((member) => member.name),
      ['bob'],
      `${name} says so`,
    )
    t.ok(
      cluster.status(name).members.every(({ version }) => !version.includes('insecure')),
      'and the version is that alone',
    )
    t.equal(cluster.metric(name, 'starling_insecure'), name === 'bob' ? 1 : 0)
  }
})

t.test(
  'a node that was started with --insecure, and is open because of it, says so wherever it is looked at',
  async (t) => {
    const directory = scratchDirectory(t)
    // Nobody is told the address that it listens at, and it is there for a moment.
    const outside = ['--peer', '0.0.0.0:0', '--advertise-peer', '127.0.0.1:1', '--insecure', '--log-level', 'warn']
    for (let start = 1; start <= 2; start += 1) {
      const node = await NodeProcess.start(t, ['--name', 'ada', '--data', join(directory, 'ada'), ...outside])
      await ready([node])
      const line = node.log.split('\n').find((said) => said.includes('--insecure'))
      t.match(JSON.parse(line ?? '{}'), { level: 'warn', msg: /--insecure: --peer 0\.0\.0\.0:0 .* without a secret/ })
      t.match(await json(node, '/v1/node'), { insecure: true })
      const at = ['--endpoint', `http://${node.http}`]
      t.match(text(await starling(['node', 'status', ...at])), /\ninsecure +open to whoever reaches it: --insecure\n/)
      const status = await starling(['cluster', 'status', '--check', ...at])
      t.match(text(status), /\ninsecure: ada \(open to whoever reaches them: --insecure\)\n$/)
      t.equal(status.code, 0, 'which was meant, and is no illness')
      const metrics = await (await fetch(`http://${node.http}/metrics`)).text()
      t.match(metrics, /^starling_insecure 1$/m)
      await node.kill()
    }
  },
)

t.test('the same flag on loopback opens nothing, and is not spoken of', async (t) => {
  const data = join(scratchDirectory(t), 'ada')
  const node = await NodeProcess.start(t, ['--data', data, '--insecure', '--log-level', 'warn'])
  t.match(await json(node, '/v1/node'), { insecure: false })
  t.notMatch(node.log, /insecure/)
  await node.kill()
})
