import t from 'tap'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { formatSecretKey, Keyring, keyringKeysMax, parseKeyring, toSecretKey } from '../../lib/security/keyring.ts'
import { InvalidParameter } from '../../lib/vocabulary/errors.ts'

const cryptography = createCryptography()

t.test('a secret file holds one key a line, and the first one sends', async (t) => {
  const [one, two] = [keyOf(1), keyOf(2)]
  const keys = parseKeyring(
    `# of november\n${formatSecretKey(one.bytes)}\r\n\n  ${formatSecretKey(two.bytes)} \n`,
    cryptography,
  )
  t.same(keys, [one, two])
  const ring = new Keyring(keys)
  t.same([ring.sending, ring.find(two.id), ring.find('00000000')], [one, two, undefined])
  ring.replace([two])
  t.same([ring.sending, ring.find(one.id)], [two, undefined])
})

t.test('what is no key is refused by its line, without a word of what stands there', async (t) => {
  const key = formatSecretKey(keyOf(1).bytes)
  for (const [text, message] of [
    ['', /holds no key/],
    ['# nothing yet\n', /holds no key/],
    [`${key}\nhunter2`, /line 2/],
    [`${key}${key}`, /line 1/],
    // The last character of 43 carries four bits only: another one would be the same key.
    [`${key.slice(0, -1)}${key.endsWith('F') ? 'G' : 'F'}`, /line 1/],
    [`${key}\n${key}`, /line 2 of the secret file repeats/],
    [
      Array.from({ length: keyringKeysMax + 1 }, (_, at) => formatSecretKey(keyOf(at).bytes)).join('\n'),
      /holds 9 keys/,
    ],
  ] as const) {
    const thrown = caught(() => parseKeyring(text, cryptography))
    t.ok(thrown instanceof InvalidParameter, String(message))
    t.match(thrown.message, message)
    t.notMatch(`${thrown.message} ${(thrown as InvalidParameter).hint}`, /hunter2/)
  }
})

function keyOf(filling: number) {
  return toSecretKey(new Uint8Array(32).fill(filling), cryptography)
}

function caught(step: () => unknown): Error {
  try {
    step()
  } catch (error) {
    return error as Error
  }
  throw new Error('it was taken')
}
