import { Attempts } from './attempt.ts'
import { Campaign } from './campaign.ts'
import type { Coverage } from './coverage/coverage.ts'
import { readFinding, writeCorpus, writeFinding } from './kept-inputs.ts'
import type { Target } from './target.ts'
import { targets } from './targets.ts'
import { Watchdog } from './watchdog.ts'

export interface FuzzOptions {
  /** A name, or `all`. */
  readonly target: string
  readonly minutes: number
  /** Instead of minutes. */
  readonly inputs: number | undefined
  readonly seed: number
  readonly keeps: boolean
  readonly coverage: Coverage | undefined
}

const sayEveryMs = 10_000

export function listTargets(): string {
  const width = Math.max(...targets.map(({ name }) => name.length))
  return targets.map(({ name, summary }) => `${name.padEnd(width)}  ${summary}\n`).join('')
}

/** @returns whether nothing was found */
export async function feedAll(options: FuzzOptions): Promise<boolean> {
  const chosen = targets.filter(({ name }) => options.target === 'all' || name === options.target)
  if (chosen.length === 0) {
    say(`there is no target ${options.target}; these are there:\n${listTargets()}`)
    return false
  }
  let isSound = true
  for (const target of chosen) isSound = (await feed(target, options)) && isSound
  return isSound
}

async function feed(target: Target, options: FuzzOptions): Promise<boolean> {
  const { coverage } = options
  const watchdog = new Watchdog(target)
  const onExit = (): void => {
    const about = 'the input makes the process exit'
    say(`${target.name}: ${about}: ${writeFinding('exits', { target: target.name, about, input: watchdog.input })}`)
  }
  const campaign = await Campaign.begin(target, {
    seed: options.seed,
    coverage,
    watch: (input) => watchdog.begin(input),
  })
  process.once('exit', onExit)
  try {
    return await report(campaign, target, options)
  } finally {
    process.off('exit', onExit)
    await campaign.close()
    await watchdog.stop()
  }
}

async function report(campaign: Campaign, target: Target, options: FuzzOptions): Promise<boolean> {
  const { coverage } = options
  const began = { ms: performance.now(), cpu: process.cpuUsage() }
  let saidMs = began.ms
  const describe = (): string => {
    const { user, system } = process.cpuUsage(began.cpu)
    const seconds = (performance.now() - began.ms) / 1000
    const cpuSeconds = (user + system) / 1e6
    const reached = coverage === undefined ? '' : `, ${coverage.reached} branches, ${campaign.poolSize} inputs kept`
    const rate = `${Math.round(campaign.given / seconds)}/s, ${Math.round(campaign.given / cpuSeconds)} a second of CPU`
    return `${target.name}: ${campaign.given} inputs in ${seconds.toFixed(1)} s (${rate})${reached}, ${campaign.found.length} found`
  }
  const endMs = began.ms + options.minutes * 60_000
  await campaign.run(() => {
    if (options.inputs !== undefined && campaign.given >= options.inputs) return true
    if (campaign.given % 64 !== 0) return false
    const nowMs = performance.now()
    if (nowMs - saidMs > sayEveryMs) {
      saidMs = nowMs
      say(describe())
    }
    return options.inputs === undefined && nowMs >= endMs
  })
  say(describe())
  for (const [index, { failure, input, isRepeated, atInput }] of campaign.found.entries()) {
    const path = writeFinding(`${options.seed}-${index}`, { target: target.name, about: failure.sign, input })
    const again = isRepeated ? 'again by itself' : `only after others: --seed ${options.seed} --inputs ${atInput}`
    say(`FOUND ${path} (${input.length} bytes, ${again})\n${failure.text}`)
  }
  if (options.keeps && coverage !== undefined) {
    const kept = await campaign.distill()
    say(`${writeCorpus(target.name, kept)}: ${kept.length} inputs`)
  }
  return campaign.found.length === 0
}

/** Feeds the input of one file. @returns whether all is well */
export async function feedFinding(path: string): Promise<boolean> {
  const finding = readFinding(path)
  const target = targets.find(({ name }) => name === finding.target)
  if (target === undefined) throw new Error(`there is no target ${finding.target}`)
  const attempts = await Attempts.open(target)
  const failure = await attempts.run(finding.input)
  await attempts.close()
  say(failure === undefined ? `${finding.target}: ${finding.about}: not any more` : failure.text)
  return failure === undefined
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
