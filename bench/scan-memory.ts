/**
 * What a scan of a whole bucket takes: memory of the client and of every node above what they had before, and CPU for each
 * key. Keys, values, by both doors, and for a reader that rests. docs/benchmarks.md says what the figures mean.
 *
 * node dist/bench/scan-memory.js [--keys N, default 1000000] [--nodes N, default 3] [--directory DIR of an earlier run]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { positive } from './options-of-scale.ts'
import { note } from './prepare.ts'
import { cpuMicrosecondsOf } from './systems/cpu-time.ts'
import { readResources } from './systems/process-resources.ts'
import { StarlingCluster } from './systems/starling-cluster.ts'
import { startFilled } from './systems/start-filled.ts'
import { programAt } from './systems/system.ts'
import { Workplace } from './systems/workplace.ts'

const text = { type: 'string' } as const
const { values } = parseArgs({ options: { keys: text, nodes: text, directory: text } })
const keyCount = positive('keys', values.keys, 1_000_000)
const nodeCount = positive('nodes', values.nodes, 3)
const mebibyte = 1024 * 1024
const limitMiB = 64
const lookEveryMs = 200
const restMs = 3000

/**
 * In this order. The first two warm up, and nothing is expected of them: a node that reads values for the first time fills
 * its caches of records and blocks, which have bounds of their own.
 */
const warmUps = 2
const readers = [
  ['embedded', 'keys', 0],
  ['embedded', 'values', 0],
  ['embedded', 'keys', 0],
  ['embedded', 'keys', 50],
  ['http', 'keys', 0],
  ['embedded', 'values', 0],
  ['http', 'values', 0],
] as const

const workplace = new Workplace()
const directory = values.directory ?? workplace.newDirectory('scan')
const cluster = await StarlingCluster.prepare({ directory, nodeCount }, workplace.started)
await startFilled(cluster, directory, keyCount)
note(`${nodeCount} nodes with ${keyCount} keys run`)
console.log(
  '| reader | keys | complete | seconds | most above rest, MiB: client | a node | CPU us/key: client | nodes |',
)
console.log('| --- | --- | --- | --- | --- | --- | --- | --- |')
let isKept = true
for (const [index, [kind, what, readerRestMs]] of readers.entries()) {
  await measure(kind, what, readerRestMs, index >= warmUps)
}
await workplace.clear()
console.log(`${isKept ? 'ok' : 'MISSED'}: at most ${limitMiB} MiB more in any process`)
process.exit(isKept ? 0 : 1)

async function measure(
  kind: 'embedded' | 'http',
  what: 'keys' | 'values',
  readerRestMs: number,
  isJudged: boolean,
): Promise<void> {
  const target = kind === 'embedded' ? cluster.embedded : cluster.http
  if (target.type === 'floor') throw new Error('Starling is no floor')
  const words = [kind, target.ports.join(), 'bench', what, String(readerRestMs)]
  const client = fork(programAt('bench/parts/scan-client.js'), words)
  await said(client)
  await sleep(restMs)
  const nodes = [...cluster.pids]
  const pids = [client.pid as number, ...nodes]
  const before = pids.map(anonBytesOf)
  const cpuBefore = [cpuMicrosecondsOf([client.pid as number]), cpuMicrosecondsOf(nodes)] as const
  const most = [...before]
  const look = setInterval(() => {
    for (const [index, pid] of pids.entries()) most[index] = Math.max(most[index] as number, anonBytesOf(pid))
  }, lookEveryMs)
  const beganMs = performance.now()
  client.send('go')
  const { count, complete } = (await said(client)) as { readonly count: number; readonly complete: boolean }
  const seconds = (performance.now() - beganMs) / 1000
  clearInterval(look)
  const clientCpu = cpuMicrosecondsOf([client.pid as number]) - cpuBefore[0]
  const nodesCpu = cpuMicrosecondsOf(nodes) - cpuBefore[1]
  client.send('end')
  const [clientMiB = 0, ...nodeMiB] = most.map((bytes, index) => (bytes - (before[index] as number)) / mebibyte)
  const reader = `${kind}, ${what}${readerRestMs === 0 ? '' : ', slow'}${isJudged ? '' : ', first'}`
  if (isJudged && (clientMiB > limitMiB || nodeMiB.some((more) => more > limitMiB))) isKept = false
  console.log(
    `| ${reader} | ${count} | ${complete ? 'yes' : 'NO'} | ${seconds.toFixed(1)} | ${clientMiB.toFixed(0)} | ${nodeMiB.map((more) => more.toFixed(0)).join(', ')} | ${(clientCpu / count).toFixed(1)} | ${(nodesCpu / count).toFixed(1)} |`,
  )
}

function anonBytesOf(pid: number): number {
  return readResources(pid).anonBytes
}

async function said(child: ChildProcess): Promise<unknown> {
  const [message] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => {
      throw new Error('the client has ended')
    }),
  ])
  return message
}
