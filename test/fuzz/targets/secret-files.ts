import { createCryptography } from '../../../lib/platform/node-cryptography.ts'
import { formatSecretKey, keyringKeysMax, parseKeyring, secretKeyBytes } from '../../../lib/security/keyring.ts'
import { InvalidParameter } from '../../../lib/vocabulary/errors.ts'
import { must, type Target, unlessRefused } from '../target.ts'
import { bytesOf, textOf } from './text.ts'

const cryptography = createCryptography((count) => new Uint8Array(count))
const key = (first: number): string => formatSecretKey(new Uint8Array(secretKeyBytes).fill(first))

/** The keyring of a cluster. */
export const secretFiles: Target = {
  name: 'secrets',
  summary: 'secret files: a keyring, or InvalidParameter that says nothing of what stands there',
  seeds: () => [`${key(1)}\n`, `# ours\n\n${key(1)}\r\n${key(2)}\n`, `${key(1)}\n${key(1)}\n`].map(bytesOf),
  words: [key(1), key(2), key(3), '\n', '\r\n', '#', ' '],
  bytesMax: 1024,
  stepsMax: { base: 2_000, each: 50 },
  inputsInTests: 100_000,
  open: () => ({ run: read }),
}

function read(input: Uint8Array): void {
  const text = textOf(input)
  const keys = unlessRefused([InvalidParameter], () => parseKeyring(text, cryptography))
  if (keys === undefined) return saysNothing(text)
  must(keys.length >= 1 && keys.length <= keyringKeysMax, 'a keyring has one to eight keys')
  must(new Set(keys.map(({ id }) => id)).size === keys.length, 'no key is there twice')
  const again = parseKeyring(keys.map(({ bytes }) => formatSecretKey(bytes)).join('\n'), cryptography)
  must(
    again.every(({ id }, index) => id === keys[index]?.id),
    'a keyring comes back as it was',
  )
}

/** A key that is nearly one is nearly a secret. */
function saysNothing(text: string): void {
  try {
    parseKeyring(text, cryptography)
  } catch (error) {
    const { message, hint } = error as InvalidParameter
    const said = `${message} ${hint}`
    const lines = text.split('\n').map((line) => line.trim())
    must(!lines.some((line) => line.length > 12 && said.includes(line)), 'what stands in the file is not said')
  }
}
