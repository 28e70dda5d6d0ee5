import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { formatSecretKey, secretKeyBytes } from '../../security/keyring.ts'
import { UsageError } from '../exit-code.ts'
import { note, writeJson, writeLine } from '../output.ts'

/** A key that nobody can guess. It is shown once; the cluster knows nothing of it. */
export async function secretGenerate(options: { readonly out?: string; readonly json?: boolean }): Promise<void> {
  const key = formatSecretKey(randomBytes(secretKeyBytes))
  const { out } = options
  if (out !== undefined) {
    writeNew(out, `${key}\n`)
    if (options.json === true) return writeJson('SecretKey', { file: out })
    return note(`a new key is in ${out}: give the same file to every node, with --secret-file`)
  }
  if (options.json === true) return writeJson('SecretKey', { key })
  await writeLine(key)
}

function writeNew(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new UsageError(
        `${path} is there already, and stays as it is`,
        'nodes may use it: give another name, or change the key of a cluster by `starling secret rotate`',
      )
    throw new UsageError(`--out: ${path} cannot be written: ${(error as Error).message}`)
  }
}
