import { formatCursor, parseCursor } from '../../../lib/http/cursor.ts'
import { InvalidParameter } from '../../../lib/vocabulary/errors.ts'
import { keyProblem } from '../../../lib/vocabulary/key.ts'
import { hash } from '../../wire/fixtures/hash.ts'
import { must, type Target, unlessRefused } from '../target.ts'
import { base64Of, bytesOf, textOf } from './text.ts'

const listing = ['carts', '', '', '', 'false']
const headBytes = 5

/** Where a listing goes on, as clients send it back. */
export const cursors: Target = {
  name: 'cursors',
  summary: 'cursors of listings: a key that another node may be asked for, or InvalidParameter',
  seeds: () => ['a', 'key', 'Zürich', 'k'.repeat(1024)].map((key) => bytesIn(formatCursor(hash, listing, key))),
  repair,
  bytesMax: 2048,
  stepsMax: { base: 1_000, each: 50 },
  inputsInTests: 100_000,
  open: () => ({ run: read }),
}

function read(input: Uint8Array): void {
  unlessRefused([InvalidParameter], () => parseCursor(hash, listing, textOf(input)))
  const cursor = base64Of(input)
  const key = unlessRefused([InvalidParameter], () => parseCursor(hash, listing, cursor))
  if (key === undefined) return
  must(formatCursor(hash, listing, key) === cursor, 'a cursor comes back as it was')
  must(keyProblem(key) === undefined || key === '.' || key === '..', 'a cursor holds what may be a key')
  must(
    unlessRefused([InvalidParameter], () => parseCursor(hash, ['other'], cursor)) === undefined,
    'it is of its listing',
  )
}

/** As if this node had made it. */
function repair(input: Uint8Array): Uint8Array {
  const key = Buffer.from(input.subarray(headBytes))
  const checksum = hash.hash32(new Uint8Array(Buffer.concat([bytesOf(JSON.stringify(listing)), key])))
  const head = Buffer.alloc(headBytes)
  head[0] = 1
  head.writeUInt32BE(checksum, 1)
  return new Uint8Array(Buffer.concat([head, key]))
}

function bytesIn(cursor: string): Uint8Array {
  return new Uint8Array(Buffer.from(cursor, 'base64url'))
}
