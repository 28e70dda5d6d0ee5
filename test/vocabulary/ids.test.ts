import t from 'tap'
import {
  formatEndpoint,
  isClusterId,
  isNodeId,
  parseEndpoint,
  toClusterId,
  toEndpoint,
  toNodeId,
} from '../../lib/vocabulary/ids.ts'
import { InvariantViolation } from '../../lib/vocabulary/invariant.ts'
import fc from '../fixtures/fast-check.ts'

t.test('an id is hexadecimal of its length, in lower case', async (t) => {
  const node = '0123456789abcdef0123456789abcdef'
  t.ok(isNodeId(node))
  t.ok(isClusterId(node.slice(16)))
  for (const text of ['', node.toUpperCase(), node.slice(1), `${node}0`, `${node}\n`, node.replace('a', 'g')]) {
    t.notOk(isNodeId(text), JSON.stringify(text))
    t.throws(() => toNodeId(text), InvariantViolation)
  }
  t.throws(() => toClusterId(node), InvariantViolation)
})

t.test('an endpoint is a host and a port', async (t) => {
  for (const [text, host, port] of [
    ['127.0.0.1:7071', '127.0.0.1', 7071],
    ['node-1.example:0', 'node-1.example', 0],
    ['[::1]:65535', '::1', 65535],
    ['[fe80::1.2.3.4]:1', 'fe80::1.2.3.4', 1],
  ] as const) {
    t.same(parseEndpoint(text), { host, port })
    t.equal(formatEndpoint(host, port), text)
  }
  for (const text of [
    '',
    'host',
    ':1',
    'host:',
    'host:65536',
    'host:-1',
    'host:1x',
    '::1:80',
    'a b:1',
    'http://h:1',
    '[::1]',
  ]) {
    t.equal(parseEndpoint(text), undefined, text)
    t.throws(() => toEndpoint(text), InvariantViolation)
  }
  fc.assert(
    fc.property(fc.ipV6(), fc.nat(65535), (host, port) => {
      const parsed = parseEndpoint(formatEndpoint(host, port))
      return parsed?.host === host && parsed.port === port
    }),
    { seed: 4711 },
  )
})
