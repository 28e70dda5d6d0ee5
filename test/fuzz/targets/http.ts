import { examples } from '../../../lib/http/examples/examples.ts'
import { isErrorCode } from '../../../lib/vocabulary/errors.ts'
import { must, type Target, type Trial } from '../target.ts'
import { answersIn, type HttpAnswer } from './http-answers.ts'
import { requestOf } from './http-requests.ts'
import { HttpStage } from './http-stage.ts'
import { bytesOf, textOf } from './text.ts'

const put = 'PUT /v1/kv/b/k HTTP/1.1\r\nHost: a\r\n'
/** Shapes in which two readers may see two different requests. */
const smuggled = [
  `${put}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n`,
  `${put}Transfer-Encoding: chunked, identity\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
  `${put}Transfer-Encoding : chunked\r\nContent-Length: 3\r\n\r\nabc`,
  `${put}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabcGET /v1/kv/b/k HTTP/1.1\r\nHost: a\r\n\r\n`,
  `${put}Content-Length: +3\r\n\r\nabc`,
  `${put}Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nTrailer: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n`,
  `${put}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nabc\r\n0\r\n\r\n`,
  `${put}X: a\r\n folded\r\nContent-Length: 0\r\n\r\n`,
  `${put}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`,
  `GET http://other/v1/kv/b/k HTTP/1.1\r\nHost: a\r\n\r\nGET //livez HTTP/1.1\r\nHost: a\r\n\r\n`,
  'GET /livez HTTP/1.1\nHost: a\n\n',
  'GET /livez HTTP/1.0\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nCONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'HEAD /v1/kv/b/k HTTP/1.1\r\nHost: a\r\n\r\nDELETE /v1/kv/b/k HTTP/1.1\r\nHost: a\r\n\r\n',
]

/** Whatever somebody may send to the HTTP port. */
export const http: Target = {
  name: 'http',
  summary:
    'bytes at the HTTP port of a real node: answers that are HTTP, none of them 500, every error a problem with a code',
  seeds: () => [...smuggled.map(bytesOf), ...examples.map((example) => requestOf(example))],
  words: [
    ...['\r\n', '\r\n\r\n', ' HTTP/1.1\r\n', 'HTTP/1.0', 'GET ', 'PUT ', 'HEAD ', 'POST ', 'DELETE ', 'OPTIONS ', '\0'],
    ...['Host: a\r\n', 'Content-Length: ', 'Transfer-Encoding: chunked\r\n', 'Connection: close\r\n', '0\r\n\r\n', ';'],
    ...['Expect: 100-continue\r\n', 'Starling-Context: ', 'If-Match: ', 'If-None-Match: *\r\n', 'Accept: ', 'Range: '],
    ...['Idempotency-Key: ', 'Starling-Session: ', 'Starling-TTL: ', 'Starling-Meta-a: ', 'Authorization: Bearer '],
    ...[
      'Content-Type: application/json\r\n',
      'Content-Encoding: gzip\r\n',
      'Origin: http://evil\r\n',
      '%2F',
      '%00',
      '%ff',
    ],
    ...[
      '/v1/kv/',
      '/v1/batch',
      '/v1/buckets/',
      '?',
      '&',
      '=',
      'timeout=1',
      'r=all',
      '..',
      '//',
      '{',
      '}',
      '[',
      '"',
      'null',
    ],
  ],
  repair: asHttp,
  bytesMax: 8192,
  stepsMax: { base: 50_000_000, each: 100_000 },
  isOfNodes: true,
  inputsInTests: 1_500,
  open,
}

async function open(): Promise<Trial> {
  const stage = await HttpStage.open()
  return {
    async run(input) {
      await stage.begin()
      const { bytes, isEnded } = await stage.exchange(input)
      const hasHead = /HEAD/i.test(textOf(input))
      for (const answer of answersIn(bytes, hasHead, isEnded)) mustBeAnswer(answer)
      stage.mustBeSound()
    },
    close: () => stage.close(),
  }
}

const statuses = [
  100, 200, 202, 204, 300, 304, 400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 417, 421, 422, 429, 431, 503, 504,
]

export function mustBeAnswer({ status, headers, text }: HttpAnswer): void {
  must(statuses.includes(status), `the status ${status} is one of ours: ${text.slice(0, 500)}`)
  if (headers['content-type']?.startsWith('application/problem+json') !== true || text === '') return
  const { code, aftermath } = JSON.parse(text)
  must(isErrorCode(code) && code !== 'internal', `the code ${code} is one of ours`)
  must(aftermath === 'nothing-changed' || aftermath === 'may-have-changed', 'a problem says what it leaves behind')
}

/**
 * The same, so far that a parser of HTTP reads its first request to the end: a request line, headers of which each has a
 * name, and a length that is that of the body, if it says any.
 */
function asHttp(input: Uint8Array): Uint8Array {
  const text = Buffer.from(input).toString('latin1')
  const headEnd = text.indexOf('\r\n\r\n')
  const [first = '', ...lines] = (headEnd === -1 ? text : text.slice(0, headEnd)).split('\r\n')
  const body = headEnd === -1 ? '' : text.slice(headEnd + 4)
  const [method = '', target = ''] = first.split(' ')
  const verb = /^[A-Z]+$/.test(method) ? method : 'GET'
  const line = `${verb} ${target.replaceAll(/[^!-~]/g, '') || '/'} HTTP/1.1`
  const headers = lines
    .filter((header) => /^[A-Za-z-]+: *[\t -~\x80-\xff]*$/.test(header))
    .map((header) => header.replace(/^(content-length): .*/i, (_all, name) => `${name}: ${body.length}`))
  return new Uint8Array(Buffer.from([line, ...headers, '', body].join('\r\n'), 'latin1'))
}
