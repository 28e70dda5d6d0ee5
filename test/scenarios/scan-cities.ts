import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { citiesMax, cityRecords } from '../../examples/cities/city-records.ts'
import { Cluster } from './kit/cluster.ts'
import type { Lab } from './kit/lab.ts'
import { atRest, converged } from './kit/layout.ts'
import { Operator } from './kit/operator.ts'
import type { Scenario } from './kit/scenario.ts'

const bucket = 'cities'
const settledWithinMs = 300_000
/** Of so many countries a scan asks by prefix. */
const prefixesMax = 3

interface Place {
  readonly key: string
  readonly value: string
}

export const scanCities: Scenario = {
  name: 'scan-cities',
  summary: 'the cities of the world are scanned in key order, whole, with one node down and while others join',
  seconds: 5,
  keys: citiesMax,
  run: (lab) => scanned(lab),
}

async function scanned(lab: Lab): Promise<void> {
  const { keys = citiesMax } = lab.options
  const places = placesOf(keys)
  const cluster = await Cluster.start(lab, { size: 3 })
  const operator = new Operator(lab, () => cluster.running)
  await imported(lab, operator, places)
  const ordered = places
    .map(({ key }) => key)
    .sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
  const scans = new Scans(lab, operator, ordered)
  await scans.claimWhole('with all nodes')

  const down = lab.pick(cluster.members)
  lab.say(`${down.name} is killed`)
  await down.kill()
  await scans.claimWhole('just after a node was killed')
  await cluster.seesAs(down, ['dead'])
  await scans.claimWhole('with one node known to be dead')
  await down.start()
  await down.ready()

  const joining = await cluster.add(2)
  for (const { name } of joining) await operator.do(['cluster', 'join', name])
  await operator.do(['cluster', 'commit', '--yes'])
  let isMoving = true
  const settled = converged(cluster, 2, settledWithinMs).then(() => {
    isMoving = false
  })
  let during = 0
  do {
    await scans.claimWhole(`while ${joining.map(({ name }) => name).join(' and ')} join (${during + 1})`)
    if (isMoving) during += 1
  } while (isMoving)
  await settled
  await atRest(cluster.running, settledWithinMs)
  lab.mustHaveSeen('whole scans while partitions moved', during, 1)
  await scans.claimWhole('with five nodes')
}

/** Scans by the command line, judged by what must come. */
class Scans {
  readonly #lab: Lab
  readonly #operator: Operator
  readonly #ordered: readonly string[]
  #turn = 0

  constructor(lab: Lab, operator: Operator, ordered: readonly string[]) {
    this.#lab = lab
    this.#operator = operator
    this.#ordered = ordered
  }

  /** All keys, forward or backward in turn, and some by prefix. */
  async claimWhole(when: string): Promise<void> {
    this.#turn += 1
    const isReverse = this.#turn % 2 === 0
    const expected = isReverse ? this.#ordered.toReversed() : this.#ordered
    const { problem, seconds } = await this.#scan(isReverse ? ['--reverse'] : [], expected)
    this.#lab.measure(`${expected.length} keys ${when}`, seconds, 's')
    this.#lab.claim(
      `${when} a scan has every key once, in order${isReverse ? ', backward' : ''}`,
      problem === '',
      problem,
    )
    const wrong: string[] = []
    for (let count = 0; count < prefixesMax; count += 1) {
      const prefix = this.#lab.pick(this.#ordered).slice(0, 3)
      const found = await this.#scan(
        ['--prefix', prefix],
        this.#ordered.filter((key) => key.startsWith(prefix)),
      )
      if (found.problem !== '') wrong.push(`${prefix}: ${found.problem}`)
    }
    this.#lab.claim(`${when} scans by prefix have every key once, in order`, wrong.length === 0, wrong.join('; '))
  }

  async #scan(words: readonly string[], expected: readonly string[]): Promise<{ problem: string; seconds: number }> {
    const command = ['kv', 'scan', bucket, '--timeout', '30000', ...words]
    const { code, stdout, stderr, tookMs } = await this.#operator.run(command, undefined, 'only how many lines')
    const seconds = tookMs / 1000
    // 7 says that a page was partial.
    if (code !== 0) return { problem: `exit code ${code}: ${stderr.trim()}`, seconds }
    const keys = stdout.split('\n').slice(0, -1)
    const at = expected.findIndex((key, index) => keys[index] !== key)
    if (at !== -1) return { problem: `key ${at} is ${keys[at]}, not ${expected[at]}`, seconds }
    return { problem: keys.length === expected.length ? '' : `${keys.length} keys of ${expected.length}`, seconds }
  }
}

/** By country and name, in many scripts. */
function placesOf(count: number): readonly Place[] {
  return [...cityRecords(count)].map(({ key: id, value }) => {
    const { country, name } = JSON.parse(value) as { readonly country: string; readonly name: string }
    return { key: `${country}/${name.slice(0, 100)}/${id}`, value }
  })
}

async function imported(lab: Lab, operator: Operator, places: readonly Place[]): Promise<void> {
  const path = join(lab.directory, 'cities.ndjson')
  const file = createWriteStream(path)
  for (const { key, value } of places)
    file.write(`${JSON.stringify({ key, value, contentType: 'application/json' })}\n`)
  file.end()
  await finished(file)
  const { tookMs } = await operator.do(['kv', 'import', bucket, path])
  lab.measure(`${places.length} cities imported`, tookMs / 1000, 's')
}
