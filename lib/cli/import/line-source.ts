/** Beyond any record, even with every byte of its value escaped. */
const lineBytesMax = 128 * 1024 * 1024
const newline = 10
const carriageReturn = 13
const tab = 9
const space = 32

export interface Line {
  /** Counted from 1. */
  readonly number: number
  readonly bytes: Uint8Array
  /** Where the line ends in its source, in bytes. */
  readonly endByte: number
}

/** The lines of a byte stream that are not blank, as fast as they are taken. The last one needs no newline. */
export async function* readLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let kept: Uint8Array[] = []
  let keptBytes = 0
  let number = 0
  let endByte = 0
  for await (const chunk of source) {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(newline, start)
      if (end === -1) break
      const bytes = join([...kept, chunk.subarray(start, end)])
      endByte += keptBytes + end + 1 - start
      kept = []
      keptBytes = 0
      start = end + 1
      number += 1
      if (!isBlank(bytes)) yield { number, bytes, endByte }
    }
    if (start === chunk.length) continue
    kept.push(chunk.subarray(start))
    keptBytes += chunk.length - start
    if (keptBytes > lineBytesMax) throw new RangeError(`line ${number + 1} is longer than ${lineBytesMax} bytes`)
  }
  const bytes = join(kept)
  if (!isBlank(bytes)) yield { number: number + 1, bytes, endByte: endByte + keptBytes }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = Buffer.concat(parts)
  return bytes.at(-1) === carriageReturn ? bytes.subarray(0, -1) : bytes
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === space || (byte >= tab && byte <= carriageReturn))
}
