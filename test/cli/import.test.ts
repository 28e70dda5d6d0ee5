import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { formatProgress } from '../../lib/cli/import/progress-bar.ts'
import { RecordImporter } from '../../lib/cli/import/record-importer.ts'
import type { Sibling } from '../../lib/http-client/sibling.ts'
import { QuorumUnavailable } from '../../lib/vocabulary/errors.ts'
import type { FakeNode, Trouble } from '../http-client/fixtures/fake-node.ts'
import { directory, json, starling, started, text } from './fixtures/run-starling.ts'

t.test('what export prints, import reads: binary values, metadata and siblings included', async (t) => {
  const from = await started(t)
  const to = await started(t)
  const file = join(directory, 'export.ndjson')
  from.put('b', 'bytes', Buffer.from([255, 0, 10]))
  from.put('b', 'text', 'line\nbreak \u2028 é', [], { place: 'Zürich' })
  from.put('b', 'both', 'one')
  from.put('b', 'both', 'two')
  for (let index = 0; index < 300; index += 1) from.put('b', `key-${index}`, `value ${index}`)
  const [printed, saved] = await Promise.all([
    starling(['kv', 'export', 'b', '--endpoint', from.url]),
    starling(['kv', 'export', 'b', '--output', file, '--json', '--endpoint', from.url]),
  ])
  t.match(printed, { code: 0, stderr: /exported 303 records/ })
  t.match(json(saved), { kind: 'ExportResult', exported: 303, complete: true })
  t.equal(readFileSync(file, 'utf8'), text(printed))
  const imported = await starling(['kv', 'import', 'b', file, '--json', '--endpoint', to.url])
  t.match(json(imported), { kind: 'ImportResult', records: 303, written: 303, unchanged: 0, failed: 0 })
  t.same(contentOf(to), contentOf(from))
  const again = await starling(['kv', 'import', 'b', '-', '--json', '--endpoint', to.url], {
    stdin: readFileSync(file),
  })
  t.match(json(again), { written: 0, unchanged: 303, retries: 0 })
  t.same(contentOf(to), contentOf(from), 'importing twice is importing once')
  from.missing = [1]
  t.match(await starling(['kv', 'export', 'b', '--endpoint', from.url]), { code: 7, stderr: /partial/ })
})

t.test('an export that was cut goes on behind its last whole line', async (t) => {
  const node = await started(t)
  for (let index = 0; index < 600; index += 1) node.put('b', `key-${String(index).padStart(3, '0')}`, `value ${index}`)
  const at = ['--endpoint', node.url]
  const whole = await starling(['kv', 'export', 'b', ...at])
  const [cut, empty, foreign, missing] = ['cut', 'empty', 'foreign', 'missing'].map((name) => join(directory, name))
  // In the middle of the line of key-300.
  writeFileSync(cut as string, text(whole).slice(0, text(whole).indexOf('key-300') + 9))
  writeFileSync(empty as string, '{"key":"half a l')
  writeFileSync(foreign as string, 'not an export\n')
  const [resumed, fromStart, refused, anew, useless] = await Promise.all([
    starling(['kv', 'export', 'b', '--output', cut as string, '--resume', '--json', ...at]),
    starling(['kv', 'export', 'b', '--output', empty as string, '--resume', '--json', ...at]),
    starling(['kv', 'export', 'b', '--output', foreign as string, '--resume', ...at]),
    starling(['kv', 'export', 'b', '--output', missing as string, '--resume', ...at]),
    starling(['kv', 'export', 'b', '--resume', ...at]),
  ])
  t.match(json(resumed), { kind: 'ExportResult', exported: 300, after: 'key-299', complete: true })
  t.match(json(fromStart), { exported: 600, after: null })
  t.equal(anew.code, 0)
  for (const file of [cut, empty, missing]) t.equal(readFileSync(file as string, 'utf8'), text(whole))
  t.match(refused, { code: 2, stderr: /does not end like an export/ })
  t.equal(readFileSync(foreign as string, 'utf8'), 'not an export\n')
  t.match(useless, { code: 2, stderr: /--output FILE/ })
})

t.test('an export that fails on the way keeps what came, and says how to go on', async (t) => {
  const node = await started(t)
  for (let index = 0; index < 600; index += 1) node.put('b', `key-${String(index).padStart(3, '0')}`, `value ${index}`)
  node.trouble = ({ query }) => (query.has('cursor') ? 'refuse' : undefined)
  const file = join(directory, 'broken')
  const ran = await starling(['kv', 'export', 'b', '--output', file, '--endpoint', node.url])
  t.match(ran, { code: 1, stderr: /250 records are in .*broken; --resume goes on with it\n[\s\S]*\(draining\)/ })
  t.equal(readFileSync(file, 'utf8').trimEnd().split('\n').length, 250)
})

t.test('import replaces other values, takes the last of two lines, and reports the lines that fail', async (t) => {
  const node = await started(t)
  node.put('b', 'old', 'before')
  node.put('b', 'old', 'beside')
  const notUtf8 = Buffer.concat([Buffer.from('{"key":"x","value":"'), Buffer.from([0xff]), Buffer.from('"}')])
  const good = ['{"key":"old","value":"after"}', '{"key":"new","value":"first"}', '{"key":"new","value":"second"}']
  const bad = [
    '{"key":"x"',
    '{"value":"x"}',
    '{"key":"x","value":1}',
    '{"key":"x","valeu":"x"}',
    `{"key":"${'k'.repeat(1025)}","value":"x"}`,
    '{"key":"x","value":"y","siblings":[{"value":"x"}]}',
    '{"key":"x","value":"\\ud800"}',
    '{"key":"x","value":"x","metadata":{"a":"two\\nlines"}}',
    '{"key":"x","value":"x","metadata":{"a":"1","A":"2"}}',
    '{"key":"x","value":"x","contentType":"a/b "}',
    notUtf8.toString('latin1'),
  ]
  const [first, ...others] = good
  const lines = [`\u00ef\u00bb\u00bf${first}`, '', ...others, ...bad, '  ', '{"key":"last","valueBase64":"/wA="}']
  const stdin = Buffer.from(lines.join('\r\n'), 'latin1')
  const failed = join(directory, 'failed.ndjson')
  const ran = await starling(['kv', 'import', 'b', '-', '--failed', failed, '--endpoint', node.url], { stdin })
  t.equal(ran.code, 7)
  t.match(ran.stderr, /-:5: the line is not JSON[\s\S]*-:8: unknown field "valeu"/)
  t.match(ran.stderr, /imported 4 records[\s\S]*11 failed, 0 retries/)
  t.same(node.values('b', 'old'), ['after'])
  t.same(node.values('b', 'new'), ['second'])
  t.same(node.records.get('b/last')?.[0]?.value, Buffer.from([255, 0]))
  t.same(readFileSync(failed, 'latin1').split('\n').sort(), ['', ...bad].sort(), 'byte for byte')
  t.notOk(node.records.has('b/x'))
  t.match(await starling(['kv', 'import', 'b', 'no-such-file', '--endpoint', node.url]), { code: 2 })
  t.match(await starling(['kv', 'import', 'b', failed, '--endpoint', '127.0.0.1:9']), { code: 3 })
})

t.test('what concerns every record is said once, before anything is written', async (t) => {
  const node = await started(t)
  const file = join(directory, 'one.ndjson')
  writeFileSync(file, '{"key":"k","value":"v"}\n')
  const at = ['--endpoint', node.url]
  const [bucket, folder, rejects, same, unread] = await Promise.all([
    starling(['kv', 'import', '$b', file, ...at]),
    starling(['kv', 'import', 'b', directory, ...at]),
    starling(['kv', 'import', 'b', file, '--failed', join(directory, 'none', 'f'), ...at]),
    starling(['kv', 'import', 'b', file, '--failed', file, ...at]),
    starling(['kv', 'put', 'b', 'k', '--file', directory, ...at]),
  ])
  t.match(bucket, { code: 2, stderr: /invalid-bucket/ })
  t.match(folder, { code: 2, stderr: /is a directory/ })
  t.match(rejects, { code: 2, stderr: /--failed cannot be written/ })
  t.match(same, { code: 2, stderr: /--failed is the file/ })
  t.match(unread, { code: 2, stderr: /cannot be read/ })
  t.equal(node.records.size, 0)
  t.equal(readFileSync(file, 'utf8'), '{"key":"k","value":"v"}\n')
})

t.test('import through nodes that fail in every way loses no record and doubles none', async (t) => {
  const node = await started(t)
  const other = await started(t)
  // Two doors to the same data, as two nodes of a cluster are.
  Object.assign(other, { records: node.records })
  const troubles: readonly Trouble[] = ['refuse', 'reset', 'reset-after', 'timeout-after', 'timeout-late']
  const chance = chances(4711)
  for (const each of [node, other])
    each.trouble = ({ path }) =>
      path.startsWith('/v1/kv/') && chance() < 0.25 ? troubles[Math.floor(chance() * troubles.length)] : undefined
  const keys = Array.from({ length: 400 }, (_, index) => `key-${index}`)
  for (const key of keys.slice(0, 50)) node.put('b', key, 'before')
  const expected = (key: string, index: number) => (index % 40 === 39 ? ['a', 'b'] : [`value of ${key}`])
  const lines = keys.map((key, index) => {
    const [value, ...others] = expected(key, index).map((value) => ({ value }))
    return JSON.stringify(others.length === 0 ? { key, ...value } : { key, siblings: [value, ...others] })
  })
  const endpoints = `${node.url},${other.url}`
  const stdin = Buffer.from(lines.join('\n'))
  const ran = await starling(['kv', 'import', 'b', '-', '--json', '--endpoint', endpoints], { stdin })
  t.equal(ran.code, 0, ran.stderr)
  t.match(json(ran), { records: 400, failed: 0 })
  t.ok((json(ran) as { retries: number }).retries > 50, 'there was trouble')
  const found = keys.map((key) => node.values('b', key))
  t.same(found, keys.map(expected))
})

t.test('import stops when a record cannot be brought in, and says where', async (t) => {
  const node = await started(t)
  node.trouble = ({ path }) => (path.startsWith('/v1/kv/') ? 'refuse' : undefined)
  const lines = Array.from({ length: 200 }, (_, index) => JSON.stringify({ key: `k${index}`, value: 'v' }))
  const stdin = Buffer.from(lines.join('\n'))
  const limits = ['--retry-seconds', '0', '--concurrency', '4']
  const ran = await starling(['kv', 'import', 'b', '-', ...limits, '--endpoint', node.url], { stdin })
  t.match(ran, { code: 7, stderr: /stopped after line [4-8]: the detail of draining; --from-line [5-9] goes on/ })
  node.trouble = () => undefined
  const rest = await starling(['kv', 'import', 'b', '-', '--from-line', '199', '--json', '--endpoint', node.url], {
    stdin,
  })
  t.match(json(rest), { records: 2, written: 2 })
  t.same([...node.records.keys()], ['b/k198', 'b/k199'])
})

t.test('the progress of an import tells how much, how fast and how long still', async (t) => {
  const progress = { records: 12_345, bytes: 250, bytesTotal: 1_000, elapsedMs: 30_000 }
  t.equal(formatProgress(progress), '[======                  ] 25 %  12,345 records  412/s  ETA 1:30')
  t.equal(formatProgress({ ...progress, bytesTotal: undefined }), '12,345 records  412/s', 'a pipe has no end to see')
})

t.test('an attempt that a killed node kept for itself', async (t) => {
  const record = { key: 'k', siblings: [siblingOf('v')] }
  const twice = { siblings: [siblingOf('v'), siblingOf('v')], context: 'seen-both' }

  t.test('is waited for, and collapsed with the value that was written after it', async (t) => {
    const asked: unknown[] = []
    const put: unknown[] = []
    let answersLeft = 2
    const importer = importerWith({
      get: async (_bucket, _key, options) => {
        asked.push(options?.r)
        answersLeft -= 1
        if (answersLeft >= 0) throw new QuorumUnavailable('the third owner is still away')
        return twice
      },
      put: async (_bucket, _key, value, options) => {
        put.push([new TextDecoder().decode(value), options?.context])
      },
    })
    t.equal(await importer.settle(record, Date.now() + 60_000), true)
    t.same(asked, ['all', 'all', 'all'])
    t.same(put, [['v', 'seen-both']])
  })

  t.test('is told of when its node stays away', async (t) => {
    const importer = importerWith({
      get: async (_bucket, _key, options) => {
        if (options?.r === 'all') throw new QuorumUnavailable('the third owner is still away')
        return { siblings: [siblingOf('v')], context: 'seen' }
      },
      put: async () => t.fail('there is nothing to mend'),
    })
    t.equal(await importer.settle(record, Date.now()), false)
  })
})

function siblingOf(text: string): Sibling {
  return {
    value: new TextEncoder().encode(text),
    contentType: 'text/plain',
    metadata: {},
    etag: undefined,
    writtenAt: undefined,
    expiresAt: undefined,
  }
}

function importerWith(client: {
  get: (bucket: string, key: string, options?: { r?: unknown }) => Promise<unknown>
  put: (bucket: string, key: string, value: Uint8Array, options?: { context?: unknown }) => Promise<unknown>
}): RecordImporter {
  return new RecordImporter({
    client: client as unknown as ConstructorParameters<typeof RecordImporter>[0]['client'],
    bucket: 'b',
    retryMs: 1000,
    fraction: () => 0,
    sleep: async () => {},
    nowMs: Date.now,
  })
}

function contentOf(node: FakeNode): unknown {
  const entries = [...node.records].map(([name, siblings]) => [
    name,
    siblings.map(({ value, contentType, metadata }) => [value.toString('base64'), contentType, metadata]).sort(),
  ])
  return entries.sort()
}

/** Floats in [0, 1), the same in every run. */
function chances(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
