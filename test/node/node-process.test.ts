import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { scratchDirectory } from '../platform/fixtures/scratch.ts'
import { call, eventually, get, NodeProcess, put, ready, within } from './fixtures/real-nodes.ts'

t.test('a process of a node', async (t) => {
  const directory = scratchDirectory(t)

  await t.test('that is killed has what it acknowledged when it comes back', async (t) => {
    const flags = ['--name', 'ada', '--data', join(directory, 'killed')]
    const acknowledged: string[] = []
    for (let round = 0; round < 1; round += 1) {
      const node = await NodeProcess.start(t, flags)
      await ready([node])
      let isKilled = false
      let written = 0
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let count = 0; !isKilled; count += 1) {
          const key = `${round}/${writer}/${count}`
          if ((await put(node, key, `of ${key}`)).status !== 204) return
          acknowledged.push(key)
          written += 1
        }
      })
      await eventually(
        'it is busy',
        async () => written,
        (count) => count > 150,
      )
      await node.kill()
      isKilled = true
      await Promise.all(writers)
    }
    const node = await NodeProcess.start(t, flags)
    await ready([node])
    const found = await Promise.all(acknowledged.map(async (key) => (await get(node, key)).text === `of ${key}`))
    t.equal(found.filter((isFound) => !isFound).length, 0, `of ${acknowledged.length}`)
    node.signal('SIGTERM')
    await node.ended
  })

  await t.test('finishes what runs at the first SIGTERM, and ends with 0', async (t) => {
    const data = join(directory, 'term')
    const node = await NodeProcess.start(t, ['--data', data])
    await ready([node])
    const slow = await slowPut(t, node.http)
    node.signal('SIGTERM')
    await eventually(
      'it accepts nobody any more',
      () => call(node, 'GET', '/livez'),
      ({ status }) => status === 0,
    )
    slow.finish()
    t.match(await within(5000, 'the request is answered', slow.answered), /^HTTP\/1\.1 204 /)
    t.match(await node.ended, { code: 0 })
    t.match(JSON.parse(readFileSync(join(data, 'node.json'), 'utf8')), { isCleanlyStopped: true })
    const again = await NodeProcess.start(t, ['--data', data])
    await ready([again])
    t.match(await get(again, 'slow'), { text: 'value' })
    again.signal('SIGINT')
    t.match(await again.ended, { code: 0 })
  })

  await t.test('ends at once at the second', async (t) => {
    const node = await NodeProcess.start(t, ['--data', join(directory, 'twice')])
    await ready([node])
    await slowPut(t, node.http)
    node.signal('SIGTERM')
    await eventually(
      'it drains',
      () => call(node, 'GET', '/livez'),
      ({ status }) => status === 0,
    )
    node.signal('SIGTERM')
    t.match(await node.ended, { code: 1 })
  })

  await t.test('that cannot start ends with 1 and says what to do', async (t) => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    t.teardown(() => taken.close())
    const http = `127.0.0.1:${(taken.address() as AddressInfo).port}`
    const { code, stderr } = await NodeProcess.ending(t, ['--data', join(directory, 'port'), '--http', http])
    t.equal(code, 1)
    t.match(JSON.parse(stderr.trim().split('\n').at(-1) as string), {
      code: 'address-in-use',
      hint: /--http/,
      exitCode: 1,
    })
  })
})

/** A put that has begun and waits for the rest of its body. */
async function slowPut(t: Test, http: string): Promise<{ finish(): void; readonly answered: Promise<string> }> {
  const [host, port] = http.split(':')
  const socket: Socket = connect(Number(port), host)
  t.teardown(() => socket.destroy())
  socket.on('error', () => undefined)
  const head = `PUT /v1/kv/b/slow HTTP/1.1\r\nHost: ${http}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`
  const answers: string[] = []
  const hears = (): Promise<string> => new Promise((resolve) => socket.once('data', (bytes) => resolve(String(bytes))))
  const begun = hears()
  socket.write(head)
  answers.push(await within(5000, 'the node reads the head of the request', begun))
  socket.write('val')
  const answered = hears()
  return { finish: () => socket.write('ue'), answered }
}
