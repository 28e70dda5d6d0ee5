import { must } from '../target.ts'

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

/**
 * The answers of one connection, one behind the other: anything that is no HTTP between or in them is a finding.
 *
 * @param hasHead answers without the body that they announce are to be expected
 * @param isEnded the server has said all it wanted: nothing may be cut
 */
export function answersIn(bytes: Buffer, hasHead: boolean, isEnded: boolean): readonly HttpAnswer[] {
  const answers = answersFrom(bytes, 0, hasHead)
  if (answers !== undefined) return answers
  must(
    !isEnded && isPrefix(bytes),
    `what is answered is HTTP: ${JSON.stringify(bytes.toString('latin1').slice(0, 2000))}`,
  )
  return []
}

function answersFrom(bytes: Buffer, at: number, hasHead: boolean): readonly HttpAnswer[] | undefined {
  if (at === bytes.length) return []
  const headEnd = bytes.indexOf('\r\n\r\n', at)
  const head = headEnd === -1 ? undefined : parseHead(bytes.toString('latin1', at, headEnd))
  if (head === undefined) return undefined
  const bodyAt = headEnd + 4
  for (const body of bodies(bytes, bodyAt, head, hasHead)) {
    const rest = answersFrom(bytes, body.end, hasHead)
    if (rest !== undefined) return [{ ...head, text: body.text }, ...rest]
  }
  return undefined
}

type Head = Omit<HttpAnswer, 'text'>

function parseHead(text: string): Head | undefined {
  const [line = '', ...lines] = text.split('\r\n')
  const status = /^HTTP\/1\.1 (\d{3}) [ -~]*$/.exec(line)?.[1]
  if (status === undefined) return undefined
  const headers: Record<string, string> = {}
  for (const header of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\t -~\x80-\xff]*)$/.exec(header) ?? []
    if (name === undefined || value === undefined) return undefined
    headers[name.toLowerCase()] = value
  }
  return { status: Number(status), headers }
}

interface Body {
  readonly text: string
  readonly end: number
}

/** How it may be read: as it announces itself, or as the answer to HEAD. */
function bodies(bytes: Buffer, at: number, { status, headers }: Head, hasHead: boolean): readonly Body[] {
  const none: Body = { text: '', end: at }
  if (status < 200 || status === 204 || status === 304) return [none]
  const announced = headers['transfer-encoding'] === undefined ? ofLength(bytes, at, headers) : inChunks(bytes, at)
  return [...(announced === undefined ? [] : [announced]), ...(hasHead ? [none] : [])]
}

function ofLength(bytes: Buffer, at: number, headers: Head['headers']): Body | undefined {
  // Until the end of the connection: only where nothing was said of it.
  const length = headers['content-length'] ?? String(bytes.length - at)
  const end = at + Number(length)
  return end <= bytes.length ? { text: bytes.toString('utf8', at, end), end } : undefined
}

function inChunks(bytes: Buffer, from: number): Body | undefined {
  const parts: Buffer[] = []
  for (let at = from; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    const size = lineEnd === -1 ? '' : bytes.toString('latin1', at, lineEnd)
    if (!/^[0-9a-f]+$/i.test(size)) return undefined
    const end = lineEnd + 2 + Number.parseInt(size, 16)
    if (end + 2 > bytes.length || bytes.toString('latin1', end, end + 2) !== '\r\n') return undefined
    if (size === '0') return { text: Buffer.concat(parts).toString(), end: end + 2 }
    parts.push(bytes.subarray(lineEnd + 2, end))
    at = end + 2
  }
}

/** The connection was given up in the middle of an answer. */
function isPrefix(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, 9) === 'HTTP/1.1 '.slice(0, bytes.length)
}
