import type { Aftermath } from '../vocabulary/errors.ts'
import { isErrorCode } from '../vocabulary/errors.ts'
import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import type { Refusal } from './messages.ts'
import { readChoice, readOptional, writeChoice, writeOptional } from './part-codec.ts'
import { readReceipt, writeReceipt } from './receipt-codec.ts'
import { MalformedBytes } from './unreadable-bytes.ts'

const aftermaths: readonly Aftermath[] = ['nothing-changed', 'may-have-changed']
/** Words that nodes have among themselves: no codes for users. */
const refusalsOnly: ReadonlySet<string> = new Set(['layout-stale', 'not-owner', 'busy', 'malformed', 're-read'])

export function writeRefusal(writer: BytesWriter, refusal: Refusal): void {
  writer.text(refusal.code)
  writer.text(refusal.message)
  writeChoice(writer, aftermaths, refusal.aftermath)
  writer.text(refusal.hint)
  writeOptional(writer, refusal.quorum, writeReceipt)
}

/** @throws {MalformedBytes} */
export function readRefusal(reader: BytesReader): Refusal {
  const refusal = {
    type: 'refused',
    code: readRefusalCode(reader),
    message: reader.text(),
    aftermath: readChoice(reader, aftermaths),
    hint: reader.text(),
  } as const
  const quorum = readOptional(reader, readReceipt)
  return quorum === undefined ? refusal : { ...refusal, quorum }
}

function readRefusalCode(reader: BytesReader): Refusal['code'] {
  const code = reader.text()
  if (!isErrorCode(code) && !refusalsOnly.has(code)) throw new MalformedBytes('an error code is unknown')
  return code as Refusal['code']
}
