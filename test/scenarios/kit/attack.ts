import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { AttackKind, AttackOrder } from './attacker.ts'
import { Cluster, type Member } from './cluster.ts'
import { Http, pathOf } from './http.ts'
import type { Lab } from './lab.ts'

const attacker = fileURLToPath(import.meta.resolve('./attacker.js'))
const sink = fileURLToPath(import.meta.resolve('./sink.js'))
/** Of a core: so long of each period the attacker runs. */
const dutyMs = 25
const periodMs = 100
const clients = 32
const keys = 500
const windowSeconds = 5
const keptShare = 0.9
const quietWithinMs = 5_000
/** What a node may grow by while it is under attack. */
const grownMiBMax = 256
const ticksPerSecond = 100

/**
 * Clients ask as fast as they are answered while somebody else does harm: in turn to an idle process on the same machine and
 * to the nodes. What they get in the second case, against the first, is what the harm takes from them.
 */
export async function underAttack(lab: Lab, kind: AttackKind): Promise<void> {
  const cluster = await Cluster.start(lab)
  const http = new Http(lab)
  const nodes = cluster.members
  const pids = nodes.map(({ pid }) => pid)
  await Promise.all(
    Array.from({ length: keys }, (_, index) =>
      http.call(pickOf(nodes, index), 'PUT', keyOf(index), { body: 'x'.repeat(200) }),
    ),
  )
  await throughputFor(http, nodes, 2)
  const idle = await startSink(lab)
  const windows = Math.max(2, Math.round(lab.options.seconds / windowSeconds))
  const seconds = lab.options.seconds / windows
  const restMiB = nodes.map((node) => rssMiB(node))
  const mostMiB = [...restMiB]
  const shares: number[] = []
  const used: number[] = []
  let answered = 0
  for (let window = 0; window < windows; window += 1) {
    const rates: Record<'sink' | 'nodes', number> = { sink: 0, nodes: 0 }
    for (const target of window % 2 === 0 ? (['sink', 'nodes'] as const) : (['nodes', 'sink'] as const)) {
      const ports =
        target === 'sink'
          ? { http: [idle], peer: [idle] }
          : { http: portsOf(nodes, 'http'), peer: portsOf(nodes, 'peer') }
      const attack = startAttack(lab, { kind, ...ports })
      await sleep(500)
      const watch = setInterval(() => {
        for (const [at, node] of nodes.entries()) mostMiB[at] = Math.max(mostMiB[at] ?? 0, rssMiB(node))
      }, 250)
      const { served, failed } = await throughputFor(http, nodes, seconds)
      clearInterval(watch)
      used.push(await attack.stop())
      rates[target] = served / seconds
      if (target === 'nodes') answered += served
      lab.say(`${kind} to the ${target}: ${Math.round(served / seconds)} requests a second, ${failed} failed`)
      if (target === 'nodes')
        lab.claim(
          `clients are answered in window ${window + 1}`,
          failed <= served / 100,
          `${failed} of ${served} failed`,
        )
    }
    shares.push(rates.nodes / rates.sink)
  }
  const median = [...shares].sort((a, b) => a - b)[Math.floor(shares.length / 2)] ?? 0
  lab.measure('share of the throughput that is kept, median of pairs', median, 'of 1')
  lab.measure('core of the attacker', Math.max(...used), 'of 1')
  lab.mustHaveSeen('requests answered under attack', answered, 100)
  // On a machine that is busy otherwise it does less harm than it should.
  lab.mustHaveSeen('hundredths of a core that the attacker had', Math.round(100 * Math.max(...used)), 15)
  lab.claim(
    'other clients keep nine tenths of their throughput',
    median >= keptShare,
    `${shares.map((share) => share.toFixed(2)).join(', ')}`,
  )
  await quietAgain(lab, nodes)
  for (const [at, node] of nodes.entries()) {
    const grown = (mostMiB[at] ?? 0) - (restMiB[at] ?? 0)
    lab.claim(
      `the memory of ${node.name} is bounded`,
      grown <= grownMiBMax,
      `${Math.round(grown)} MiB above rest at most`,
    )
    lab.claim(`${node.name} is the process it was`, node.isRunning && node.pid === pids[at])
    const internal = await node.metric('starling_internal_errors_total')
    lab.claim(`${node.name} meets no error of its own`, internal === 0, `${internal}`)
  }
}

/** A moment after it is over nothing is left of it. */
async function quietAgain(lab: Lab, nodes: readonly Member[]): Promise<void> {
  await sleep(quietWithinMs)
  for (const node of nodes) {
    const waiting = await node.metric('starling_requests_waiting')
    const paused = await node.metric('starling_background_paused')
    const bodies = await node.metric('starling_http_bodies_bytes')
    const unread = (await node.metric('starling_http_unread_bytes')) + (await node.metric('starling_http_pages_bytes'))
    const connections = await node.metric('starling_http_connections')
    lab.claim(
      `${node.name} is quiet ${quietWithinMs / 1000} s after`,
      waiting === 0 && paused === 0 && bodies === 0 && unread === 0 && connections <= 2 * clients + 8,
      `${waiting} wait, ${bodies} and ${unread} bytes held, ${connections} connections`,
    )
  }
}

/** How many reads and writes are answered when each client asks again as soon as it is. */
async function throughputFor(http: Http, nodes: readonly Member[], seconds: number) {
  const endMs = performance.now() + seconds * 1000
  let served = 0
  let failed = 0
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      for (let round = client; performance.now() < endMs; round += clients) {
        const isRead = round % 4 !== 0
        const path = keyOf(round % keys)
        const node = pickOf(nodes, round)
        const { status } = await (isRead
          ? http.call(node, 'GET', path)
          : http.call(node, 'PUT', `${path}?w=quorum`, { body: 'y'.repeat(200) }))
        if ((status >= 200 && status < 400) || status === 409) served += 1
        else failed += 1
      }
    }),
  )
  return { served, failed }
}

async function startSink(lab: Lab): Promise<number> {
  const child = fork(sink, ['sink'], { stdio: 'ignore' })
  lab.teardown(() => child.kill('SIGKILL'))
  return new Promise((resolve) => child.once('message', (said) => resolve((said as { port: number }).port)))
}

/** Held to a quarter of a core by letting it run for a quarter of the time. */
function startAttack(lab: Lab, order: AttackOrder): { stop(): Promise<number> } {
  const child = fork(attacker, [JSON.stringify(order)], { stdio: 'ignore' })
  const startedMs = performance.now()
  let pause: NodeJS.Timeout | undefined
  const turn = setInterval(() => {
    child.kill('SIGCONT')
    pause = setTimeout(() => child.kill('SIGSTOP'), dutyMs)
  }, periodMs)
  const end = (): void => {
    clearInterval(turn)
    clearTimeout(pause)
    child.kill('SIGKILL')
  }
  lab.teardown(end)
  return {
    async stop() {
      const seconds = cpuSeconds(child) / ((performance.now() - startedMs) / 1000)
      const ended = new Promise((resolve) => child.once('exit', resolve))
      end()
      await ended
      return seconds
    },
  }
}

function cpuSeconds({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

function rssMiB({ pid }: Member): number {
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
}

function portsOf(nodes: readonly Member[], which: 'http' | 'peer'): readonly number[] {
  return nodes.map((node) => Number(node[which].split(':').at(-1)))
}

function pickOf(nodes: readonly Member[], number: number): Member {
  return nodes[number % nodes.length] as Member
}

function keyOf(index: number): string {
  return pathOf(`k/${index}`)
}
