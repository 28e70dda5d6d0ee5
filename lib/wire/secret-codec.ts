import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import type { Request, Response, SecretChange } from './messages.ts'
import { readChoice, readList, writeChoice, writeList } from './part-codec.ts'
import { MalformedBytes } from './unreadable-bytes.ts'

type ChangeSecret = Request & { readonly type: 'change-secret' }
type SecretTold = Response & { readonly type: 'secret-told' }

const changes: readonly SecretChange[] = ['add', 'use', 'remove', 'nothing']
const keyIdBytes = 4
/** More than any keyring holds, so that a newer node may hold more. */
const keysMax = 64
export const secretBytes = 32

export function writeChangeSecret(writer: BytesWriter, request: ChangeSecret): void {
  writer.u32(request.step)
  writeChoice(writer, changes, request.change)
  writer.hex(request.keyId, keyIdBytes)
}

/** @throws {MalformedBytes} */
export function readChangeSecret(reader: BytesReader, body: Uint8Array): ChangeSecret {
  const step = reader.u32()
  const change = readChoice(reader, changes)
  if (body.length !== (change === 'add' ? secretBytes : 0)) throw new MalformedBytes('a key has another length')
  return { type: 'change-secret', step, change, keyId: reader.hex(keyIdBytes), key: body }
}

export function writeSecretTold(writer: BytesWriter, response: SecretTold): void {
  writeList(writer, response.keyIds, (to, id) => to.hex(id, keyIdBytes))
}

export function readSecretTold(reader: BytesReader): SecretTold {
  return { type: 'secret-told', keyIds: readList(reader, keyIdBytes, (from) => from.hex(keyIdBytes), keysMax) }
}
