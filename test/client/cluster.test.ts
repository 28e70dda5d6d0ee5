import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import t from 'tap'
import { type Bucket, connect, json, type StarlingError, text } from '../../lib/connect.ts'

t.test('a client of three real nodes', async (t) => {
  const [ada, bob, cyd] = await startCluster()
  const db = await connect([ada.peer, bob.peer])
  t.teardown(() => db.close())
  const bucket = db.bucket('b', { codec: text })
  // A layout is decided a moment before every owner serves.
  while ((await bucket.get('k', { r: 'all' }).catch(() => 'not yet')) === 'not yet') await sleep(50)

  await t.test('gets what was put', async (t) => {
    t.equal(await bucket.get('k'), undefined)
    const context = await bucket.put('k', 'hello', { metadata: { Author: 'Ada' }, ttlSeconds: 3600 })
    const found = await bucket.get('k')
    t.match(found, {
      siblings: [{ value: 'hello', contentType: 'text/plain; charset=utf-8', metadata: { author: 'Ada' } }],
    })
    t.equal(found?.siblings.length, 1)
    const { writtenAtMs = 0, expiresAtMs = 0 } = found?.siblings[0] ?? {}
    t.ok(Math.abs(writtenAtMs - Date.now()) < 60_000)
    t.ok(Math.abs(expiresAtMs - writtenAtMs - 3_600_000) < 60_000)
    t.type(context, 'string')
  })

  await t.test('a put with the context of a read replaces what was read', async (t) => {
    const found = await bucket.get('k')
    const context = await bucket.put('k', 'again', { context: found?.context })
    t.same(await values(bucket, 'k'), ['again'])
    await bucket.put('k', 'and again', { context })
    t.same(await values(bucket, 'k'), ['and again'], 'writes can be chained without reading')
  })

  await t.test('two writers that did not see each other leave two siblings, and a third one merges them', async (t) => {
    const other = await connect([bob.peer])
    t.teardown(() => other.close())
    await bucket.put('cart', 'empty')
    const [mine, theirs] = [await bucket.get('cart'), await other.bucket('b', { codec: text }).get('cart')]
    const written = await bucket.put('cart', 'milk', { context: mine?.context })
    await other.bucket('b', { codec: text }).put('cart', 'bread', { context: theirs?.context })
    t.same((await values(bucket, 'cart')).sort(), ['bread', 'milk'])
    await bucket.put('cart', 'milk and eggs', { context: written })
    t.same((await values(bucket, 'cart')).sort(), ['bread', 'milk and eggs'], 'a chain replaces its own writes only')
    const merged = await other.bucket('b', { codec: text }).update('cart', (siblings) =>
      siblings
        .map(({ value }) => value)
        .sort()
        .join(' and '),
    )
    t.match(merged, { value: 'bread and milk and eggs', othersLeft: 0 })
    t.same(await values(bucket, 'cart'), ['bread and milk and eggs'])
  })

  await t.test('a deleted key is gone, and its context can be had', async (t) => {
    const found = await bucket.get('cart')
    t.ok(await bucket.delete('cart', { context: found?.context }))
    t.equal(await bucket.get('cart'), undefined)
    t.match(await bucket.get('cart', { tombstone: true }), { siblings: [], context: /./ })
    t.equal(await bucket.delete('never-written'), undefined)
    await bucket.put('cart', 'new', { context: (await bucket.get('cart', { tombstone: true }))?.context })
    t.same(await values(bucket, 'cart'), ['new'])
  })

  await t.test('many updates of one counter are all counted, if each saw the one before', async (t) => {
    const counters = db.bucket<number>('counters', { codec: json })
    for (let turn = 0; turn < 20; turn += 1) await counters.update('n', ([first]) => (first?.value ?? 0) + 1)
    t.same(await values(counters, 'n'), [20])
  })

  await t.test('values of all sizes arrive whole', async (t) => {
    const raw = db.bucket('raw')
    for (const size of [0, 1, 65_536, 8 * 1024 * 1024]) {
      const value = Buffer.alloc(size, `${size}-`)
      await raw.put(`of ${size}`, value, { deadlineMs: 20_000 })
      const found = await raw.get(`of ${size}`, { deadlineMs: 20_000 })
      t.ok(value.equals(found?.siblings[0]?.value ?? new Uint8Array(1)), `${size} bytes`)
    }
  })

  await t.test('many keys are written and read at once, and each tells how it ended', async (t) => {
    const many = Array.from({ length: 300 }, (_, index) => ({ key: `many-${index}`, value: `${index}` }))
    const bucket = db.bucket('many', { codec: text })
    t.ok((await bucket.putMany(many)).every(({ ok }) => ok))
    const found = await bucket.getMany([...many.map(({ key }) => key), 'nobody', ''])
    t.same(
      found.slice(0, 300).map((one) => one.ok && one.found?.siblings[0]?.value),
      many.map(({ value }) => value),
    )
    t.match(found.slice(300), [
      { ok: true, key: 'nobody', found: undefined },
      { ok: false, key: '', error: { code: 'invalid-key' } },
    ])
    const [first] = found
    const { etag = '', context } = (first?.ok && first.found) || {}
    const again = await bucket.putMany([
      { key: 'many-0', value: 'x', ifMatch: etag, context },
      { key: 'many-0', value: 'y', ifMatch: etag, context },
      { key: 'many-1', value: 'z', ifNoneMatch: '*' },
    ])
    t.match(again, [
      { ok: true },
      { ok: false, error: { code: 'precondition-failed', aftermath: 'nothing-changed', quorum: { kind: 'r' } } },
      { ok: false, error: { code: 'precondition-failed' } },
    ])
  })

  await t.test('what a node refuses has the code and aftermath it gave', async (t) => {
    const { context } = (await bucket.get('k')) ?? {}
    t.match(await failure(bucket.put('another', 'v', { context })), {
      code: 'invalid-context',
      aftermath: 'nothing-changed',
    })
    t.match(await failure(bucket.get('k', { r: 4 })), { code: 'invalid-parameter', message: /r=4/ })
  })

  await t.test('the properties of a bucket are set through one node, and hold at all', async (t) => {
    const name = 'short'
    t.match(await db.bucketProperties(name), { r: 'quorum', readRepair: undefined, version: 0 })
    const set = await db.setBucketProperties(name, { valueBytesMax: 3, w: 'all' })
    t.match(set, { valueBytesMax: 3, w: 'all', r: 'quorum', version: 1 })
    // Of several keys each node owns some: it knows within 5 s.
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) {
      const put = () => db.bucket(name, { codec: text }).put(key, 'long')
      while ((await put().catch((error: StarlingError) => error.code)) !== 'value-too-large') await sleep(50)
    }
    t.match(await failure(db.setBucketProperties(name, { version: 0, r: 1 })), { code: 'precondition-failed' })
    t.match(await failure(db.setBucketProperties(name, { r: 4 })), { code: 'invalid-parameter', message: /1 to 3/ })
    t.match(await failure(db.setBucketProperties(name, { r: -1 })), { code: 'invalid-parameter' })
    t.match(await failure(db.setBucketProperties('$starling', {})), { code: 'invalid-bucket' })
    t.match(await failure(db.bucketProperties('')), { code: 'invalid-bucket' })
    const aborted = db.bucketProperties(name, { signal: AbortSignal.abort(new Error('enough')) })
    t.match(await aborted.catch((error) => error), { message: 'enough' })
    while ((await db.bucketProperties(name)).version === 0) await sleep(50)
    t.match(await db.bucketProperties(name), { valueBytesMax: 3, version: 1 }, 'what was refused has changed nothing')
  })

  await t.test('a node has a client of its own', async (t) => {
    bob.process.send('k')
    const [found] = await once(bob.process, 'message')
    t.same(found, ['and again'])
  })

  await t.test('the tutorial of the documentation does what it says', async (t) => {
    const { program, prints } = tutorial(ada.peer)
    const run = spawn(process.execPath, ['--input-type=module'], { stdio: ['pipe', 'pipe', 'inherit'] })
    run.stdin.end(program)
    t.equal(await readAll(run.stdout), prints)
  })

  await t.test('a client that is closed leaves nothing behind that keeps its process alive', async (t) => {
    const client = spawn(process.execPath, [fixture('client-process.js'), ada.peer], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(client.stdout, 'data')) as [Buffer]
    t.equal(line.toString(), 'closed\n')
    const [code] = (await once(client, 'exit')) as [number]
    t.equal(code, 0)
  })

  await t.test('another cluster name is refused at once', async (t) => {
    const error = await failure(connect([ada.peer], { cluster: 'sparrow' }))
    t.match(error, { code: 'invalid-parameter', message: /"starling", not "sparrow"/ })
  })

  await t.test('a node that is paused costs a write that needs it its deadline, and gets little', async (t) => {
    cyd.process.kill('SIGSTOP')
    const error = await failure(bucket.put('k', 'v', { w: 'all', deadlineMs: 600 }))
    t.match(error, { aftermath: 'may-have-changed' })
    for (let get = 0; get < 10; get += 1) t.ok(await bucket.get('k', { deadlineMs: 2500 }))
    cyd.process.kill('SIGCONT')
  })

  await t.test('a node that is killed stops nothing for longer than a second', async (t) => {
    const keys = Array.from({ length: 30 }, (_, key) => `key ${key}`)
    await Promise.all(keys.map((key) => bucket.put(key, 'before')))
    cyd.process.kill('SIGKILL')
    const before = Date.now()
    let lost = 0
    for (const key of keys) {
      // A write that was on its way to the dead node is the one thing that can fail; none is here.
      await bucket.put(key, 'after').catch(() => {
        lost += 1
      })
      t.ok((await values(bucket, key)).includes('before'))
    }
    t.ok(lost <= 1, `${lost} writes lost`)
    await sleep(Math.max(0, before + 1000 - Date.now()))
    for (const key of keys) await bucket.update(key, () => 'merged')
    t.same(
      await Promise.all(keys.map((key) => values(bucket, key))),
      keys.map(() => ['merged']),
    )
  })

  await t.test('closing ends what is on its way', async (t) => {
    const put = bucket.put('k', 'v')
    await db.close()
    t.match(await failure(put), { code: 'closed' })
    t.match(await failure(bucket.get('k')), { code: 'closed', aftermath: 'nothing-changed' })
  })
})

t.test('nobody there', async (t) => {
  const error = await failure(connect(['127.0.0.1:1', 'no-such-host.invalid:7071'], { connectTimeoutMs: 300 }))
  t.match(error, { code: 'unreachable', message: /127\.0\.0\.1:1/, hint: /peer addresses/ })
})

interface NodeProcess {
  readonly peer: string
  readonly process: ChildProcess
}

async function startCluster(): Promise<readonly [NodeProcess, NodeProcess, NodeProcess]> {
  const directory = mkdtempSync(join(tmpdir(), 'starling-client-'))
  const processes: ChildProcess[] = []
  t.teardown(() => {
    for (const process of processes) process.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  })
  const start = async (name: string, ...seeds: string[]): Promise<NodeProcess> => {
    const process = fork(fixture('node-process.js'), [join(directory, name), name, ...seeds])
    processes.push(process)
    const [peer] = (await once(process, 'message')) as [string]
    return { peer, process }
  }
  const ada = await start('ada')
  const others = await Promise.all([start('bob', ada.peer), start('cyd', ada.peer)])
  return [ada, ...others]
}

/** The blocks of docs/client-library.md: one program, and what it prints. */
function tutorial(peer: string): { readonly program: string; readonly prints: string } {
  const page = readFileSync(fileURLToPath(new URL('docs/client-library.md', packageRoot())), 'utf8')
  const blocks = (language: string) =>
    [...page.matchAll(new RegExp(`^\\x60{3}${language}\\n(.*?)^\\x60{3}$`, 'gms'))].map(([, block]) => block).join('')
  const library = new URL('../../lib/index.js', import.meta.url).href
  const program = blocks('js').replace("'starling-kv'", `'${library}'`).replace('127.0.0.1:7071', peer)
  return { program, prints: blocks('text') }
}

function packageRoot(): URL {
  let directory = new URL('./', import.meta.url)
  while (!existsSync(new URL('package.json', directory))) directory = new URL('../', directory)
  return pathToFileURL(`${realpathSync(new URL('package.json', directory))}`)
}

function fixture(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url))
}

async function values<Value>(bucket: Bucket<Value>, key: string): Promise<Value[]> {
  return (await bucket.get(key))?.siblings.map(({ value }) => value) ?? []
}

async function failure(promise: Promise<unknown>): Promise<StarlingError> {
  try {
    await promise
  } catch (error) {
    return error as StarlingError
  }
  throw new Error('it did not fail')
}
