import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { SecretFile } from '../../lib/platform/secret-file.ts'
import type { Log } from '../../lib/ports/log.ts'
import { formatSecretKey, toSecretKey } from '../../lib/security/keyring.ts'
import { InvalidParameter } from '../../lib/vocabulary/errors.ts'

const cryptography = createCryptography()
const [one, two] = [keyOf(1), keyOf(2)]

t.test('a secret file that cannot be used says so, with the path and what to do', async (t) => {
  const path = join(directory(t), 'secret')
  t.throws(() => new SecretFile(path, cryptography), { message: /does not exist/, hint: /secret generate/ })
  writeFileSync(path, 'hunter2\n')
  t.throws(() => new SecretFile(path, cryptography), { message: /secret: line 1 of the secret file is no key/ })
  rmSync(path)
  t.throws(() => new SecretFile(join(path, '..'), cryptography), { message: /cannot be read/, hint: /user/ })
  try {
    new SecretFile(path, cryptography)
  } catch (error) {
    t.ok(error instanceof InvalidParameter, 'which the command line takes for a wrong usage')
  }
})

t.test('others who may read it are warned of, once it is watched and whenever it changes', async (t) => {
  const path = secretFile(t, [one])
  chmodSync(path, 0o640)
  const { log, lines } = collecting()
  const file = watched(t, path, log)
  t.match(lines, [{ level: 'warn', fields: { mode: '0640' }, message: /chmod 600/ }])
  file.reload()
  t.equal(lines.length, 1, 'not whenever somebody looks')
  write(path, [one, two])
  chmodSync(path, 0o604)
  file.reload()
  t.match(lines[1], { level: 'warn', fields: { mode: '0604' } })
})

t.test('what stands there now is taken when the node is told to look', async (t) => {
  const path = secretFile(t, [one])
  const { log, lines } = collecting()
  const file = watched(t, path, log)
  const { keyring } = file
  write(path, [two, one])
  file.reload()
  t.same(
    keyring.keys.map(({ id }) => id),
    [two.id, one.id],
    'by everybody who holds the ring',
  )
  t.match(lines, [{ level: 'info', fields: { sendsWith: two.id } }])

  await t.test('but nothing that cannot be used', async (t) => {
    writeFileSync(path, `${formatSecretKey(two.bytes)}\nhunter2\n`)
    file.reload()
    t.equal(keyring.keys.length, 2)
    t.match(lines[1], { level: 'error', fields: { reason: /line 2/ }, message: /stay as they were/ })
    rmSync(path)
    file.reload()
    t.equal(keyring.sending.id, two.id)
    t.match(lines[2], { level: 'error', fields: { reason: /does not exist/ } })
  })
  t.notMatch(JSON.stringify(lines), new RegExp(`hunter2|${formatSecretKey(two.bytes)}`), 'and no key is in the log')
})

t.test('a change of the file is noticed without being told', async (t) => {
  const path = secretFile(t, [one])
  const file = watched(t, path, collecting().log)
  // Looking takes its first look when it has begun.
  await later(300)
  write(path, [two])
  for (let waitedMs = 0; file.keyring.sending.id !== two.id && waitedMs < 10_000; waitedMs += 50) await later(50)
  t.equal(file.keyring.sending.id, two.id)
})

t.test('keys that are kept are in the file, which is its owner’s alone, and a link to it stays one', async (t) => {
  const path = secretFile(t, [one])
  chmodSync(path, 0o644)
  const link = `${path}.link`
  symlinkSync(path, link)
  const { log, lines } = collecting()
  const file = watched(t, link, log)
  lines.length = 0
  file.keep([two, one])
  t.equal(file.keyring.sending.id, two.id)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.same(
    new SecretFile(path, cryptography).keyring.keys.map(({ id }) => id),
    [two.id, one.id],
  )
  t.match(readFileSync(path, 'utf8'), `# ${two.id}\n`, 'with their ids, for people')
  file.reload()
  t.equal(lines.length, 1, 'which is no news')

  await t.test('or nothing has changed', async (t) => {
    rmSync(path)
    t.throws(() => file.keep([one]))
    t.equal(file.keyring.sending.id, two.id)
  })
})

t.test('nodes that share the file do not get in each other’s way when all of them write it', async (t) => {
  const path = secretFile(t, [one])
  const file = watched(t, path, collecting().log)
  // As another node has it between writing and renaming.
  writeFileSync(`${path}.next`, 'of another node')
  file.keep([two, one])
  t.equal(readFileSync(`${path}.next`, 'utf8'), 'of another node')
  t.same(readdirSync(dirname(path)).sort(), ['secret', 'secret.next'], 'nothing of its own is left')
})

function keyOf(filling: number) {
  return toSecretKey(new Uint8Array(32).fill(filling), cryptography)
}

function directory(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'starling-secret-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function secretFile(t: Test, keys: readonly ReturnType<typeof keyOf>[]): string {
  const path = join(directory(t), 'secret')
  write(path, keys)
  return path
}

function write(path: string, keys: readonly ReturnType<typeof keyOf>[]): void {
  writeFileSync(path, keys.map(({ bytes }) => `${formatSecretKey(bytes)}\n`).join(''), { mode: 0o600 })
}

function watched(t: Test, path: string, log: Log): SecretFile {
  const file = new SecretFile(path, cryptography)
  file.watch(log)
  t.teardown(() => file.close())
  return file
}

interface Line {
  readonly level: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

function collecting(): { readonly log: Log; readonly lines: Line[] } {
  const lines: Line[] = []
  const at = (level: string) => (fields: Line['fields'], message: string) => void lines.push({ level, fields, message })
  return { log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, lines }
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
