const newline = 10

/** The lines of a body of NDJSON, each when it is whole. A last line without its newline was cut and is left out. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let parts: string[] = []
  for await (const chunk of chunks) {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(newline, start)
      if (end === -1) break
      parts.push(decoder.decode(chunk.subarray(start, end), { stream: true }))
      const line = parts.join('')
      parts = []
      start = end + 1
      if (line !== '') yield line
    }
    if (start < chunk.length) parts.push(decoder.decode(chunk.subarray(start), { stream: true }))
  }
}
