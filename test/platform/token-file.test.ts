import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { TokenFile } from '../../lib/platform/token-file.ts'
import type { Log } from '../../lib/ports/log.ts'
import type { BootstrapToken } from '../../lib/security/bootstrap-tokens.ts'
import { InvalidParameter } from '../../lib/vocabulary/errors.ts'

const cryptography = createCryptography()
const first = 'correct-horse-battery-staple-and-more'
const second = 'another-horse-battery-staple-and-more'

t.test('a token file that cannot be used keeps a node from starting, and the message says why', async (t) => {
  const path = fileWith(t, 'hunter2\n')
  const thrown = caught(() => new TokenFile(path, cryptography))
  t.match(thrown, { code: 'invalid-parameter', message: /token: line 1 of the token file has 7 characters/ })
  t.notMatch(thrown.message, /hunter2/)
  t.match(
    caught(() => new TokenFile(`${path}-none`, cryptography)),
    { message: /does not exist/, hint: /openssl/ },
  )
})

t.test('a file that others may read is warned of', async (t) => {
  const path = fileWith(t, first)
  const { log, lines } = recordingLog()
  chmodSync(path, 0o600)
  watched(t, path, log)
  t.same(lines, [])
  chmodSync(path, 0o640)
  watched(t, path, log)
  t.match(lines, [{ level: 'warn', fields: { mode: '0640' }, message: /chmod 600/ }])
})

t.test('the file is read anew when it is told to, and what cannot be used is not taken', async (t) => {
  const path = fileWith(t, first)
  const { log, lines } = recordingLog()
  const { file, heard } = watched(t, path, log)
  file.reload()
  t.equal(heard.length, 0, 'nothing has changed')
  writeFileSync(path, 'short')
  file.reload()
  t.match(lines, [{ level: 'error', message: /its tokens stay as they were/ }])
  t.equal(heard.length, 0)
  writeFileSync(path, `${second}\n${first}\n`)
  file.reload()
  t.equal(heard[0]?.length, 2)
  t.match(lines.at(-1), { level: 'info', message: /its tokens are in force/ })
  t.notMatch(JSON.stringify(lines), /horse|short/, 'not a word of the tokens')
})

t.test('and by itself soon after it was replaced', { timeout: 20_000 }, async (t) => {
  const path = fileWith(t, first)
  const { log } = recordingLog()
  const { heard } = watched(t, path, log)
  writeFileSync(`${path}.next`, second, { mode: 0o600 })
  renameSync(`${path}.next`, path)
  while (heard.length === 0) await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(heard[0]?.length, 1)
})

function fileWith(t: Test, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'starling-token-file-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'token')
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

function watched(t: Test, path: string, log: Log) {
  const file = new TokenFile(path, cryptography)
  const heard: (readonly BootstrapToken[])[] = []
  file.watch(log, (tokens) => heard.push(tokens))
  t.teardown(() => file.close())
  return { file, heard }
}

function recordingLog() {
  const lines: { readonly level: string; readonly fields: unknown; readonly message: string }[] = []
  const at = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string) =>
    void lines.push({ level, fields, message })
  const log: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  return { log, lines }
}

function caught(run: () => unknown): Error {
  try {
    run()
  } catch (error) {
    if (error instanceof InvalidParameter) return error
  }
  throw new Error('nothing was thrown')
}
