import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { formatSecretKey, secretKeyBytes } from '../../security/keyring.ts'
import { note, writeJson, writeLine } from '../output.ts'

/** A key that nobody can guess. It is shown once; the cluster knows nothing of it. */
export async function secretGenerate(options: { readonly out?: string; readonly json?: boolean }): Promise<void> {
  const key = formatSecretKey(randomBytes(secretKeyBytes))
  const { out } = options
  if (out !== undefined) {
    writeFileSync(out, `${key}\n`, { flag: 'wx', mode: 0o600 })
    if (options.json === true) return writeJson('SecretKey', { file: out })
    return note(`a new key is in ${out}: give the same file to every node, with --secret-file`)
  }
  if (options.json === true) return writeJson('SecretKey', { key })
  await writeLine(key)
}
