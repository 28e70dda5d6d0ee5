import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { FakeNode } from '../http-client/fixtures/fake-node.ts'
import { directory, json, type Ran, starling, started, text } from './fixtures/run-starling.ts'

t.test('one of the siblings is picked, by number, by etag or by age', async (t) => {
  const node = await started(t)
  for (const key of ['number', 'etag', 'newest']) conflict(node, key)
  const etags = json(await resolve(node, 'etag', ['--json', '--newest', '--dry-run'])) as { sibling: { value: string } }
  t.equal(etags.sibling.value, 'three')
  t.same(node.values('b', 'etag'), ['one', 'three', 'two'], 'a dry run writes nothing')
  const second = `${node.records.get('b/etag')?.[1]?.dot}`
  const [number, etag, newest] = await Promise.all([
    resolve(node, 'number', ['--pick', '1']),
    resolve(node, 'etag', ['--pick', second, '--json']),
    resolve(node, 'newest', ['--newest']),
  ])
  t.equal(newest.code, 0)
  t.match(number, { code: 0, stderr: /3 siblings of b\/number are now one value of 3 bytes/ })
  t.equal(text(number), '')
  t.match(json(etag), {
    kind: 'Resolution',
    resolved: true,
    siblings: 3,
    sibling: { value: 'two', metadata: { n: '2' } },
  })
  t.same(
    ['number', 'etag', 'newest'].map((key) => node.values('b', key)),
    [['one'], ['two'], ['three']],
  )
  t.match(node.records.get('b/newest'), [{ contentType: 'text/plain', metadata: { n: '3', all: 'yes' } }])
  t.match(await resolve(node, 'number', ['--newest']), { code: 0, stderr: /has one value/ })
  t.match(await resolve(node, 'none', ['--newest']), { code: 5, stderr: /is not there/ })
})

t.test('another value takes their place: given, from a file, from a command, from an editor, or none', async (t) => {
  const node = await started(t)
  const file = join(directory, 'merged')
  writeFileSync(file, Buffer.from([255, 0, 10]))
  const keys = ['value', 'file', 'with', 'lines', 'edit', 'delete']
  for (const key of keys) conflict(node, key)
  // Leaves the last line of what it is shown, which is that of the third sibling.
  const editor = { env: { VISUAL: '', EDITOR: `sh -c 'tail -n 1 "$0" > "$0.new" && mv "$0.new" "$0"'` } }
  const ran = await Promise.all([
    resolve(node, 'value', ['--value', 'four', '--content-type', 'a/b', '--meta', 'by=me', '--ttl', '60']),
    resolve(node, 'file', ['--file', file]),
    resolve(node, 'with', ['--with', 'cat "$@" | tr -d eo; echo " $STARLING_KEY"']),
    resolve(node, 'lines', ['--with', 'grep -o \'"value":"[a-z]*"\'']),
    resolve(node, 'edit', ['--edit'], editor),
    resolve(node, 'delete', ['--delete']),
  ])
  for (const { code, stderr } of ran) t.equal(code, 0, stderr)
  t.match(node.records.get('b/value'), [{ contentType: 'a/b', metadata: { all: 'yes', by: 'me' } }])
  t.same(node.records.get('b/value')?.[0]?.metadata, { all: 'yes', by: 'me' }, 'what they do not have in common goes')
  t.same(node.records.get('b/file')?.[0]?.value, Buffer.from([255, 0, 10]))
  const merged = ['value', 'with', 'lines', 'edit', 'delete'].map((key) => node.values('b', key))
  t.same(merged, [['four'], ['ntwthr with\n'], ['"value":"one"\n"value":"two"\n"value":"three"\n'], ['three\n'], []])
})

t.test('nothing is written without a choice, by two choices, or by one that fails', async (t) => {
  const node = await started(t)
  conflict(node, 'k')
  node.put('b', 'mixed', 'x')
  node.put('b', 'mixed', Buffer.from([255]))
  const [none, noneInJson, two, wrong, failed, same, binary] = await Promise.all([
    resolve(node, 'k', []),
    resolve(node, 'k', ['--json']),
    resolve(node, 'k', ['--newest', '--pick', '1']),
    resolve(node, 'k', ['--pick', '4']),
    resolve(node, 'k', ['--with', 'echo half; exit 3']),
    resolve(node, 'k', ['--edit'], { env: { VISUAL: 'true' } }),
    resolve(node, 'mixed', ['--edit'], { env: { VISUAL: 'true' } }),
  ])
  t.match(none, { code: 4, stderr: /3 siblings, and nothing says which[\s\S]*--pick N/ })
  t.match(text(none), /^ {2}1 .* one\n {2}2 .* two\n {2}3 .* three\n$/)
  t.equal(noneInJson.code, 4)
  t.match(json(noneInJson), { kind: 'Siblings', context: String, siblings: [{ value: 'one' }, {}, {}] })
  t.match(two, { code: 2, stderr: /--pick and --newest/ })
  t.match(wrong, { code: 2, stderr: /1 to 3/ })
  t.match(failed, { code: 1, stderr: /ended with exit code 3[\s\S]*nothing was written/ })
  t.match(same, { code: 1, stderr: /left as it was/ })
  t.match(binary, { code: 2, stderr: /no text/ })
  t.equal(node.seen.filter(({ method }) => method !== 'GET').length, 0)
})

t.test('what was written meanwhile stays, and is told of with exit code 6', async (t) => {
  const node = await started(t)
  conflict(node, 'before')
  conflict(node, 'after')
  let isLate = false
  node.trouble = ({ method, path }) => {
    if (method === 'PUT' && path.endsWith('/before')) node.put('b', 'before', 'four')
    // Behind the back of the condition: found by the read that follows the write.
    if (method === 'GET' && path.endsWith('/after') && isLate) node.put('b', 'after', 'four')
    if (path.endsWith('/after')) isLate = true
    return undefined
  }
  const before = await resolve(node, 'before', ['--newest'])
  t.match(before, { code: 6, stderr: /has changed since its 3 siblings were read\n {2}nothing has changed/ })
  t.same(node.values('b', 'before'), ['four', 'one', 'three', 'two'])
  const after = await resolve(node, 'after', ['--newest'])
  t.match(after, { code: 6, stderr: /has 2 siblings again/ })
  t.same(node.values('b', 'after'), ['four', 'three'])
})

function conflict(node: FakeNode, key: string): void {
  for (const [index, value] of ['one', 'two', 'three'].entries())
    node.put('b', key, value, [], { n: String(index + 1), all: 'yes' })
}

function resolve(
  node: FakeNode,
  key: string,
  words: readonly string[],
  how: { env?: Record<string, string> } = {},
): Promise<Ran> {
  return starling(['kv', 'resolve', 'b', key, ...words, '--timeout', '60000', '--endpoint', node.url], how)
}
