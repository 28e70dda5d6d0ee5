/** Beyond any record, even with every byte of its value escaped. */
const lineBytesMax = 128 * 1024 * 1024
const newline = 10
const carriageReturn = 13

export interface Line {
  /** Counted from 1. */
  readonly number: number
  readonly text: string
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
      const text = decode([...kept, chunk.subarray(start, end)])
      endByte += keptBytes + end + 1 - start
      kept = []
      keptBytes = 0
      start = end + 1
      number += 1
      if (text.trim() !== '') yield { number, text, endByte }
    }
    if (start === chunk.length) continue
    kept.push(chunk.subarray(start))
    keptBytes += chunk.length - start
    if (keptBytes > lineBytesMax) throw new RangeError(`line ${number + 1} is longer than ${lineBytesMax} bytes`)
  }
  const text = decode(kept)
  if (text.trim() !== '') yield { number: number + 1, text, endByte: endByte + keptBytes }
}

function decode(parts: readonly Uint8Array[]): string {
  const bytes = Buffer.concat(parts)
  const isWindows = bytes.at(-1) === carriageReturn
  return bytes.toString('utf8', 0, isWindows ? bytes.length - 1 : bytes.length)
}
