import { isDeepStrictEqual } from 'node:util'
import { parseImportLine } from '../../../lib/cli/import/import-line.ts'
import { readLines } from '../../../lib/cli/import/line-source.ts'
import { formatSibling } from '../../../lib/http-client/sibling.ts'
import { InvalidBody } from '../../../lib/vocabulary/errors.ts'
import { must, type Target, unlessRefused } from '../target.ts'
import { bytesOf } from './text.ts'

const examples = [
  '{"key":"ada","value":"tea","contentType":"text/plain"}\n{"key":"bob","valueBase64":"AAECAw=="}\n',
  '\ufeff{"key":"k","siblings":[{"value":"a","metadata":{"x":"1"}},{"value":"b","expiresAt":"2030-01-01T00:00:00Z"}]}\r\n',
  '{"key":"","value":"","etag":"\\"0\\"","writtenAt":"x"}\n\n  \n{"key":1}\n[]\n{"key":"\\ud800","value":"\\ud800"}',
]

/** What `starling kv import` reads. */
export const imports: Target = {
  name: 'imports',
  summary: 'NDJSON to import, in chunks: records that are exported as they were, or InvalidBody for the line',
  seeds: () => examples.map(bytesOf),
  words: [
    ...['{"key":"', '"value":"', '"valueBase64":"', '"siblings":[', '"metadata":{', '"expiresAt":"', '"contentType":"'],
    ...['"}\n', ']', '}', ',', '\\u', '\\ud800', 'null', '1e999', '__proto__', '\r\n', '\xef\xbb\xbf'],
  ],
  bytesMax: 240,
  stepsMax: { base: 5_000, each: 200 },
  inputsInTests: 100_000,
  open: () => ({ run: read }),
}

async function read(input: Uint8Array): Promise<void> {
  let before = 0
  for await (const { number, bytes, endByte } of readLines(inChunks(input))) {
    must(number > before && endByte <= input.length, 'lines are counted one after the other')
    before = number
    readLine(bytes)
  }
}

function readLine(line: Uint8Array): void {
  const record = unlessRefused([InvalidBody], () => parseImportLine(line))
  if (record === undefined) return
  must(record.siblings.length > 0, 'a record has a value')
  const again = parseImportLine(
    bytesOf(JSON.stringify({ key: record.key, siblings: record.siblings.map(formatSibling) })),
  )
  must(isDeepStrictEqual(again, record), 'a record comes back as it was')
}

const chunksMax = 32

/** The first byte says how large they are. */
async function* inChunks(input: Uint8Array): AsyncGenerator<Uint8Array> {
  const chunkBytes = Math.max(1 + (input[0] ?? 0), Math.ceil(input.length / chunksMax))
  for (let at = 0; at < input.length; at += chunkBytes) yield input.subarray(at, at + chunkBytes)
}
