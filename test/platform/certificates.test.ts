import { createPrivateKey } from 'node:crypto'
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { createMetrics } from '../../lib/platform/prometheus-metrics.ts'
import { CertificateFiles, declareExpiry } from '../../lib/platform/tls/certificate-files.ts'
import { clientSecurity } from '../../lib/platform/tls/client-security.ts'
import { ResolvedNames } from '../../lib/platform/tls/resolved-names.ts'
import type { Log } from '../../lib/ports/log.ts'
import { InvalidParameter } from '../../lib/vocabulary/errors.ts'
import { TestAuthority } from '../fixtures/certificates.ts'
import { CertificateDirectory } from './fixtures/certificate-directory.ts'

const authority = new TestAuthority()
const ada = authority.issue('ada')
const dayMs = 24 * 3_600_000

t.test('certificates that cannot be used say so at the start, with the file and what to do', async (t) => {
  const files = new CertificateDirectory(t, authority)
  const another = authority.issue('ada')
  const cases: readonly [what: string, write: () => void, message: RegExp, hint: RegExp][] = [
    ['a file that is not there', () => rmSync(files.paths.cert), /--tls-cert .*cert\.pem does not exist/, /operations/],
    ['no certificate', () => files.write({ cert: 'hunter2' }), /no certificate in --tls-cert/, /BEGIN CERTIFICATE/],
    ['half of one', () => files.write({ cert: broken(ada.cert) }), /cannot be read/, /whole/],
    [
      'one and the beginning of the next',
      () => files.write({ cert: `${ada.cert}-----BEGIN CERTIFICATE-----\nMIIB` }),
      /OpenSSL does not take --tls-cert/,
      /whole/,
    ],
    ['no key', () => files.write({ key: 'hunter2' }), /no private key in --tls-key/, /BEGIN PRIVATE KEY/],
    ['a key under a passphrase', () => files.write({ key: encrypted(ada.key) }), /is encrypted/, /passphrase/],
    ['the key of another one', () => files.write({ key: another.key }), /does not belong to/, /first in its file/],
    [
      'one that has expired',
      () => files.write(authority.issue('ada', { until: new Date(Date.now() - dayMs) })),
      /has expired: it was good until/,
      /renew/,
    ],
    [
      'one of tomorrow',
      () => files.write(authority.issue('ada', { from: new Date(Date.now() + dayMs) })),
      /not good before/,
      /clock/,
    ],
    [
      'one of another authority',
      () => files.write(new TestAuthority('another').issue('ada')),
      /not signed by/,
      /between/,
    ],
    [
      'one for clients',
      () => files.write(authority.issue('ada', { purposes: ['clientAuth'] })),
      /not good for a node/,
      /extendedKeyUsage=serverAuth,clientAuth/,
    ],
    [
      'one for another node',
      () => files.write(authority.issue('bob', { names: ['bob', '10.0.0.1'] })),
      /not for this node \(ada, 127\.0\.0\.1\)/,
      /DNS:bob, IP Address:10\.0\.0\.1.*subjectAltName/,
    ],
    ['no authority', () => files.write({ ca: '' }), /no certificate in --tls-ca/, /BEGIN CERTIFICATE/],
  ]
  for (const [what, write, message, hint] of cases) {
    files.write({ ...ada, ca: authority.cert })
    t.doesNotThrow(() => open(files))
    write()
    t.throws(() => open(files), { name: InvalidParameter.name, message, hint }, what)
    t.notMatch(String(caught(() => open(files))), /hunter2/)
  }

  const { cert, key, ca } = files.paths
  files.write({ ...ada, ca: authority.cert })
  const opened = (paths: Partial<typeof files.paths>) => () =>
    new CertificateFiles({ cert: undefined, key: undefined, ca: undefined, ...paths }, ['ada'])
  t.throws(opened({ cert }), { message: /without its private key/, hint: /--tls-key/ })
  t.throws(opened({ key }), { message: /without its certificate/, hint: /--tls-cert/ })
  t.throws(opened({ ca }), { message: /this one has none/, hint: /--tls-cert and --tls-key/ })
  files.write(authority.issue('bob', { names: ['www.example.com'], purposes: ['serverAuth'] }))
  t.doesNotThrow(opened({ cert, key }), 'one for HTTPS alone may be of anybody, for anything')
})

t.test('one that is signed through others shows them, too', async (t) => {
  const files = new CertificateDirectory(t, authority)
  const between = new TestAuthority('between', authority)
  const signed = between.issue('ada')
  files.write(signed)
  t.throws(() => open(files), { message: /not signed by/ })
  files.write({ cert: signed.cert + between.cert })
  t.doesNotThrow(() => open(files))
})

t.test('renewed files are read when the node is told to, or notices', async (t) => {
  const files = new CertificateDirectory(t, authority)
  const { lines, log } = collecting()
  const opened = open(files)
  const heard: (string | undefined)[] = []
  opened.onChanged(() => heard.push(opened.current.leaf?.serialNumber))
  opened.watch(log)
  t.teardown(() => opened.close())
  const before = opened.current.leaf?.serialNumber

  files.write({ cert: authority.issue('ada').cert })
  opened.reload()
  t.equal(opened.current.leaf?.serialNumber, before, 'half of a renewal is not taken')
  t.match(lines, [{ level: 'error', fields: { reason: /does not belong/ }, message: /stay as they were/ }])
  files.write({ cert: `${ada.cert}-----BEGIN CERTIFICATE-----\nMIIB`, key: ada.key })
  opened.reload()
  t.equal(heard.length, 0, 'nor a file that is still being written, at which every new connection would fail')
  files.write(authority.issue('ada'))
  opened.reload()
  t.not(opened.current.leaf?.serialNumber, before)
  t.equal(heard.length, 1)
  opened.reload()
  t.equal(heard.length, 1, 'nothing new is no news')

  // Looking takes its first look when it has begun.
  await sleep(300)
  files.write(authority.issue('ada'))
  for (let waitedMs = 0; heard.length === 1 && waitedMs < 20_000; waitedMs += 50) await sleep(50)
  t.equal(heard.length, 2, 'without being told')
})

t.test('the log and a metric tell of a certificate that expires soon', async (t) => {
  const files = new CertificateDirectory(t, authority)
  const metrics = createMetrics()
  const { lines, log } = collecting()
  files.write(authority.issue('ada', { until: new Date(Date.now() + 13 * dayMs) }))
  const opened = open(files)
  declareExpiry(metrics, opened)
  opened.watch(log)
  t.teardown(() => opened.close())
  t.match(lines, [{ level: 'warn', fields: { certificate: 'node' }, message: /expires soon/ }])
  const text = await new Promise<string>((resolve) => metrics.expose(resolve))
  const seconds = (certificate: string): number =>
    Number(new RegExp(`starling_tls_certificate_expiry_seconds{certificate="${certificate}"} (.+)`).exec(text)?.[1])
  t.ok(Math.abs(seconds('node') - 13 * 86_400) < 60)
  t.ok(Math.abs(seconds('authority') - 30 * 86_400) < 60)

  const { lines: quiet, log: quietLog } = collecting()
  files.write(authority.issue('ada', { until: new Date(Date.now() + 15 * dayMs) }))
  const calm = open(files)
  calm.watch(quietLog)
  t.teardown(() => calm.close())
  t.same(quiet, [])
})

t.test('what a client is given is checked before anybody is asked', async (t) => {
  const parts = { cryptography: createCryptography(), resolvedNames: new ResolvedNames() }
  const secret = 'A'.repeat(43)
  t.equal(clientSecurity({}, parts), undefined)
  t.match(clientSecurity({ secret }, parts), { dialsWith: 'secret' })
  t.match(clientSecurity({ tls: {} }, parts), { dialsWith: 'certificate' }, 'by the authorities that Node.js knows')
  t.match(clientSecurity({ tls: { ca: authority.cert, ...ada } }, parts), { dialsWith: 'certificate' })
  for (const [given, message] of [
    [{ secret: 'hunter2' }, /line 1/],
    [{ secret, tls: {} }, /two ways/],
    [{ tls: { ca: 'hunter2' } }, /no certificate in tls\.ca/],
    [{ tls: { cert: ada.cert } }, /without its private key/],
    [{ tls: { ca: Buffer.from(authority.cert) as never } }, /tls\.ca is the text/],
    [{ secret: 7 as never }, /text of a key/],
  ] as const) {
    t.throws(() => clientSecurity(given, parts), { name: InvalidParameter.name, message })
  }
})

function open({ paths }: CertificateDirectory): CertificateFiles {
  return new CertificateFiles(paths, ['ada', '127.0.0.1'])
}

function broken(pem: string): string {
  return pem.replace(/\n.{64}\n/, '\n')
}

function encrypted(key: string): string {
  const wishes = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'hunter2' } as const
  return createPrivateKey(key).export(wishes).toString()
}

function caught(act: () => unknown): unknown {
  try {
    return act()
  } catch (error) {
    return error
  }
}

interface Line {
  readonly level: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

function collecting(): { readonly log: Log; readonly lines: Line[] } {
  const lines: Line[] = []
  const at = (level: string) => (fields: Line['fields'], message: string) => void lines.push({ level, fields, message })
  return { log: { debug: at('debug'), info: () => undefined, warn: at('warn'), error: at('error') }, lines }
}
