import { setTimeout as sleep } from 'node:timers/promises'
import type { Stage, StageNode } from '../nemesis.ts'

const answerMsMax = 2_000
const betweenLooksMs = 200

/** `undefined`: no answer, or another one than 200. */
export async function ask(node: Pick<StageNode, 'http'>, path: string): Promise<Response | undefined> {
  try {
    const response = await fetch(`http://${node.http}${path}`, { signal: AbortSignal.timeout(answerMsMax) })
    if (response.ok) return response
    await response.body?.cancel()
    return undefined
  } catch {
    return undefined
  }
}

/** The sum of a metric over all its series; `undefined`: no answer. */
export async function metric(node: Pick<StageNode, 'http'>, name: string): Promise<number | undefined> {
  const response = await ask(node, '/metrics')
  if (response === undefined) return undefined
  const text = await response.text().catch(() => '')
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

/** Ready, with nothing to recover and nothing kept for others. Otherwise why not. */
async function lacks(node: StageNode): Promise<string | undefined> {
  if (!node.isRunning) return `${node.name} does not run`
  const ready = await ask(node, '/readyz')
  if (ready === undefined) return `${node.name} is not ready`
  await ready.body?.cancel()
  const self = (await (await ask(node, '/v1/node'))?.json().catch(() => undefined)) as
    | { readonly recoveringPartitions: number }
    | undefined
  if (self === undefined) return `${node.name} does not answer`
  if (self.recoveringPartitions > 0) return `${node.name} has ${self.recoveringPartitions} partitions to recover`
  for (const name of ['starling_damaged_records', 'starling_hints']) {
    const count = await metric(node, name)
    if (count !== 0) return `${node.name} has ${name} ${count}`
  }
  return undefined
}

/**
 * Until every copy that was lost is there again: all nodes run, have recovered, and keep no hints, which may be the only
 * second copy of a write. Only then may another disk lose something.
 * @returns whether it came to that in time
 */
export async function untilWhole(stage: Stage, limitMs: number, nodes = stage.nodes): Promise<boolean> {
  const endMs = performance.now() + limitMs
  for (;;) {
    const why = (await Promise.all(nodes.map(lacks))).find((reason) => reason !== undefined)
    if (why === undefined) return true
    if (performance.now() > endMs) {
      stage.say(`not whole after ${limitMs / 1000} s: ${why}`)
      return false
    }
    await sleep(betweenLooksMs)
  }
}

/** Until they would be sent requests. @returns whether it came to that in time */
export async function untilReady(stage: Stage, nodes: readonly StageNode[], limitMs: number): Promise<boolean> {
  const isReady = await within(limitMs, async () => {
    const answers = await Promise.all(nodes.map((node) => ask(node, '/readyz')))
    await Promise.all(answers.map((answer) => answer?.body?.cancel()))
    return answers.every((answer) => answer !== undefined)
  })
  const names = nodes.map(({ name }) => name).join(' and ')
  if (!isReady) stage.say(`${names}: not ready ${limitMs / 1000} s after the fault`)
  return isReady
}

/** Until so, looking again and again. @returns whether it came to that in time */
export async function within(limitMs: number, isSo: () => boolean | Promise<boolean>): Promise<boolean> {
  const endMs = performance.now() + limitMs
  while (!(await isSo())) {
    if (performance.now() > endMs) return false
    await sleep(betweenLooksMs / 4)
  }
  return true
}
