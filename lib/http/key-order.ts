import { keyBytesMax } from '../vocabulary/limits.ts'

/** Keys stand in the order of their UTF-8 bytes, which is that of their code points: not that of strings. */
export function compareKeys(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one, 'utf8'), Buffer.from(other, 'utf8'))
}

/** The greatest code point of each length in UTF-8, longest first. */
const greatest = [
  { bytes: 4, text: '\u{10ffff}' },
  { bytes: 3, text: '\uffff' },
  { bytes: 2, text: '\u07ff' },
  { bytes: 1, text: '\u007f' },
] as const

/**
 * The greatest text of at most 1024 bytes below `key`; empty when there is none. Keys are bounded, so a listing that
 * begins at `key` is one that goes on after this: no key lies between.
 */
export function predecessorOf(key: string): string {
  const points = [...key]
  const last = (points.pop() as string).codePointAt(0) as number
  const before = points.join('')
  if (last === 0) return before
  // Surrogates are no characters of their own.
  const previous = last === 0xe000 ? 0xd7ff : last - 1
  return fill(before + String.fromCodePoint(previous))
}

function fill(text: string): string {
  let left = keyBytesMax - Buffer.byteLength(text)
  let filled = text
  for (const { bytes, text: point } of greatest) {
    const count = Math.floor(left / bytes)
    filled += point.repeat(count)
    left -= count * bytes
  }
  return filled
}
