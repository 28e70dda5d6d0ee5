import { closeSync, fsyncSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { storePathOf } from '../../lib/platform/data-directory.ts'
import { valuesName } from '../../lib/platform/level-files.ts'
import type { Nemesis, Stage, StageNode } from '../nemesis.ts'
import { pickOne, scaled } from './chance.ts'
import { bitesOf, saw } from './evidence.ts'
import { losers } from './losers.ts'
import { nothingDone } from './nothing-done.ts'
import { perStage } from './per-stage.ts'
import { ask, untilWhole, within } from './wholeness.ts'

const flipsMax = 16
/** The list of the store's files: then it does not open, and is rebuilt from the others. */
const manifestChance = 0.2
const opensWithinMs = 10_000
const wholeWithinMs = 60_000
const stillWholeWithinMs = 2_000

const strikes = perStage(() => ({ count: 0 }))

export const bitFlips: Nemesis = {
  name: 'bit-flips',
  summary: 'one node is killed, bits of the files of its store are flipped, and it is started on them',
  needs: [],
  async prepare(stage) {
    losers(stage).keepToOne()
    return {}
  },
  async strike(stage) {
    const state = strikes(stage)
    if (state.count > 0 && !(await untilWhole(stage, stillWholeWithinMs)))
      return nothingDone('copies are missing since bits were flipped last')
    const node = losers(stage).next(stage)
    if (node === undefined) return nothingDone('its node does not run')
    await node.kill()
    const flips = flipBits(stage, storePathOf(node.data))
    state.count += 1
    saw(stage, 'bits flipped', flips.bits)
    const how = await startOnDamaged(stage, node)
    return {
      what: `${flips.bits} bits of ${flips.file} of ${node.name} are flipped; ${how}`,
      nodes: [node.name],
      undo: async () => {
        if (!node.isRunning || (await storeHasFailed(node))) await rebuild(stage, node)
        await untilWhole(stage, wholeWithinMs)
      },
    }
  },
  bites: async (stage) => bitesOf(stage),
}

/** Some bits, near each other as often as not, in one of the files with data; each is read back. */
export function flipBits(stage: Pick<Stage, 'fraction'>, store: string): { file: string; bits: number } {
  const names = readdirSync(store).filter((name) => statSync(join(store, name)).size > 0)
  // Large values may lie in a log of their own.
  const logged = names.includes(valuesName) ? readdirSync(join(store, valuesName)) : []
  const segments = logged.map((name) => join(valuesName, name)).filter((name) => statSync(join(store, name)).size > 0)
  const data = [...names.filter((name) => /\.(ldb|log)$/.test(name)), ...segments]
  const lists = names.filter((name) => name.startsWith('MANIFEST'))
  const isList = lists.length > 0 && (data.length === 0 || stage.fraction() < manifestChance)
  const file = pickOne(stage, isList ? lists : data)
  const path = join(store, file)
  const { size } = statSync(path)
  const first = Math.floor(stage.fraction() * size)
  const spread = scaled(stage, 1, size)
  const wanted = 1 + Math.floor(stage.fraction() * flipsMax)
  const offsets = new Set<number>()
  for (let tried = 0; tried < wanted; tried += 1) {
    offsets.add(Math.floor(first + stage.fraction() * spread) % size)
  }
  const handle = openSync(path, 'r+')
  try {
    for (const at of offsets) {
      const byte = new Uint8Array(1)
      readSync(handle, byte, 0, 1, at)
      byte[0] = (byte[0] ?? 0) ^ (1 << Math.floor(stage.fraction() * 8))
      writeSync(handle, byte, 0, 1, at)
    }
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  return { file, bits: offsets.size }
}

/** As an operator would, by docs/operations.md. @returns what became of it */
async function startOnDamaged(stage: Stage, node: StageNode): Promise<string> {
  try {
    await node.start()
  } catch (error) {
    stage.say(`${node.name} does not start: ${error instanceof Error ? error.message.slice(0, 300) : String(error)}`)
    await rebuild(stage, node)
    return 'its store does not open and is rebuilt from the others'
  }
  const isReady = await within(opensWithinMs, async () => (await ask(node, '/readyz')) !== undefined)
  if (isReady || !(await storeHasFailed(node))) return 'it starts'
  await rebuild(stage, node)
  return 'its store fails and is rebuilt from the others'
}

async function rebuild(stage: Stage, node: StageNode): Promise<void> {
  stage.say(`${node.name} is started with --rebuild`)
  await node.kill()
  await node.start(undefined, ['--rebuild'])
}

async function storeHasFailed(node: StageNode): Promise<boolean> {
  const self = (await (await ask(node, '/v1/node'))?.json().catch(() => undefined)) as
    | { readonly state: string }
    | undefined
  return self?.state === 'storage-failed'
}
