import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { TestAuthority } from '../fixtures/certificates.ts'
import { nodeIn } from '../node/fixtures/real-nodes.ts'
import { CertificateDirectory } from '../platform/fixtures/certificate-directory.ts'
import { scratchDirectory } from '../platform/fixtures/scratch.ts'
import { starling, text } from './fixtures/run-starling.ts'

t.test('the command line asks by HTTPS, and shows a certificate where nodes want to see one', async (t) => {
  const authority = new TestAuthority()
  const node = new CertificateDirectory(t, authority)
  const app = new CertificateDirectory(t, authority, authority.issue('app', { purposes: ['clientAuth'] })).paths
  const directory = scratchDirectory(t)
  const { http } = await nodeIn(t, join(directory, 'ada'), {
    ...{ name: 'ada', tlsCert: node.paths.cert, tlsKey: node.paths.key, tlsCa: node.paths.ca },
  })
  const at = ['--endpoint', `https://${http}`]
  const shown = [...at, '--tls-ca', app.ca, '--tls-cert', app.cert, '--tls-key', app.key]
  let put = await starling(['kv', 'put', 'b', 'k', 'v', ...shown])
  while (/layout/.test(put.stderr)) put = await starling(['kv', 'put', 'b', 'k', 'v', ...shown])
  t.match(put, { code: 0 })
  t.equal(text(await starling(['kv', 'get', 'b', 'k', ...shown])).trim(), 'v')
  t.match(text(await starling(['kv', 'export', 'b', ...shown])), /"key":"k"/, 'also for bulk work')
  t.match(text(await starling(['node', 'status', ...shown])), /ada/, 'and of each node')

  const env = { STARLING_TLS_CA: app.ca, STARLING_TLS_CERT: app.cert, STARLING_TLS_KEY: app.key }
  t.match(await starling(['kv', 'get', 'b', 'k', ...at], { env }), { code: 0 }, 'beside a node, what that was given')

  const untrusted = await starling(['kv', 'get', 'b', 'k', ...at])
  t.match(untrusted, { code: 3, stderr: /(self-signed|unable to)[\s\S]*hint: .*--tls-ca/ })
  const unknown = await starling(['kv', 'put', 'b', 'k', 'w', ...at, '--tls-ca', app.ca])
  t.match(unknown, { code: 4, stderr: /client certificate/ })
  t.match(await starling(['kv', 'get', 'b', 'k', ...at, '--tls-cert', app.cert]), {
    code: 2,
    stderr: /belong together/,
  })
  const missing = join(directory, 'nothing.pem')
  t.match(await starling(['kv', 'get', 'b', 'k', ...at, '--tls-ca', missing]), { code: 2, stderr: /cannot be read/ })
  writeFileSync(missing, 'nothing')
  t.match(await starling(['kv', 'get', 'b', 'k', ...at, '--tls-ca', missing]), { code: 2, stderr: /no certificate/ })
  const foreignKey = ['--tls-ca', app.ca, '--tls-cert', app.cert, '--tls-key', node.paths.key]
  const mismatch = await starling(['kv', 'put', 'b', 'k', 'w', ...at, ...foreignKey])
  t.match(mismatch, { code: 2, stderr: /belongs to it/ }, 'before anything is sent')
})

t.test('who asks a plain port by HTTPS hears that', async (t) => {
  const { http } = await nodeIn(t, join(scratchDirectory(t), 'ada'), { name: 'ada' })
  for (const more of [[], ['--tls-ca', new CertificateDirectory(t, new TestAuthority()).paths.ca]]) {
    const asked = await starling(['kv', 'put', 'b', 'k', 'v', '--endpoint', `https://${http}`, ...more])
    t.match(asked, { code: 3, stderr: /does not speak TLS[\s\S]*nothing has changed[\s\S]*http:\/\// })
  }
})
