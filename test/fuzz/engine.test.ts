import t from 'tap'
import { seededRandom } from '../../lib/ports/random.ts'
import { Attempts } from './attempt.ts'
import { Campaign } from './campaign.ts'
import { Coverage } from './coverage/coverage.ts'
import { instrument } from './coverage/instrument.ts'
import { Mutator } from './mutate.ts'
import { shrink } from './shrink.ts'
import { Broken, type Target, type Trial } from './target.ts'

/** A bug behind two bytes, of which each alone leads to a branch of its own. */
const gated = `export function read(bytes) {
  if (bytes[0] === 0x73) {
    if (bytes[1] === 0x74) throw new TypeError('nobody expected this')
  }
}`
const enoughInputs = 40_000
const coverage = Coverage.install()

t.test('what is counted does what it did', async (t) => {
  const source = `
    const sum = (list) => { let all = 0; for (const one of list) all += one; return all }
    const shape = (x) => x === undefined ? 'none' : x?.deep ?? 'flat'
    function word(n) { switch (n) { case 0: return 'no'; case 1: case 2: return 'few'; default: return 'many' } }
    async function late(x) { if (x) return await x; else if (x === 0) return 'zero'; return 'never' }
    function* upTo(n) { let i = 0; do { yield i } while (++i < n) }
    class Box { #x = 1; get x() { return this.#x } static of = () => ({ made: true }) }
    const caught = () => { try { throw new Error('x') } catch { return 'caught' } finally { sum([]) } }
    const either = (a, b) => a && b || (a ?? b)
    const short = (a) => { if (a) return 1
      for (const k in { a }) if (k) continue; else break
      return 2 }
    export const all = async () => JSON.stringify([sum([1, 2, 3]), shape(), shape({ deep: 1 }), shape({}), word(0), word(2),
      word(9), await late(1), await late(0), await late(), [...upTo(3)], new Box().x, Box.of(), caught(), either(0, 2), short(0), short(1)])`
  const { code, counters } = instrument(source, 'a.js', 0)
  t.ok(counters > 30, `${counters} branches`)
  coverage.begin(10_000)
  t.equal(await (await moduleOf(code)).all(), await (await moduleOf(source)).all())
  t.ok(coverage.takeNews())
  t.ok(coverage.reached > 20, `${coverage.reached} of them are taken`)
  coverage.begin(10_000)
  await (await moduleOf(code)).all()
  t.notOk(coverage.takeNews(), 'the second time nothing of it is new')
})

t.test('a bug behind a row of comparisons', async (t) => {
  const { read } = await moduleOf(instrument(gated, 'gated.js', 0).code)
  const target = planted({ run: read })

  await t.test('is found by what branches inputs take, and is two bytes', async (t) => {
    const campaign = await Campaign.begin(target, { seed: 1, coverage })
    await campaign.run(() => campaign.found.length > 0 || campaign.given >= enoughInputs)
    await campaign.close()
    const [found] = campaign.found
    t.match(found, { isRepeated: true, failure: { sign: /TypeError .*nobody expected this/ } })
    t.equal(Buffer.from(found?.input ?? []).toString(), 'st')
    t.ok(campaign.given < enoughInputs, `after ${campaign.given} inputs`)
  })

  await t.test('the same one by the same seed', async (t) => {
    const given: number[] = []
    for (let round = 0; round < 2; round += 1) {
      const campaign = await Campaign.begin(target, { seed: 2, coverage })
      await campaign.run(() => campaign.found.length > 0 || campaign.given >= enoughInputs)
      await campaign.close()
      given.push(campaign.given)
    }
    t.equal(given[0], given[1])
  })

  await t.test('and hardly ever without', async (t) => {
    const { read: uncounted } = await moduleOf(gated)
    const campaign = await Campaign.begin(planted({ run: uncounted }), { seed: 1 })
    await campaign.run(() => campaign.given >= enoughInputs)
    await campaign.close()
    t.same(campaign.found, [])
  })

  await t.test('of what led there only what is needed is kept', async (t) => {
    const good = planted({
      run: (await moduleOf(instrument(gated.replace('throw', 'return'), 'good.js', 0).code)).read,
    })
    const campaign = await Campaign.begin(good, { seed: 1, coverage })
    await campaign.run(() => campaign.given >= enoughInputs)
    const kept = await campaign.distill()
    await campaign.close()
    t.same(kept.map((input) => Buffer.from(input).toString('latin1')).toSorted(), ['s', 'st'])
  })
})

t.test('what breaks the promise of a target without a word', async (t) => {
  const endless = 'export function read(bytes) { try { while (bytes[0] === 1) {} } catch {} }'
  const { read } = await moduleOf(instrument(endless, 'endless.js', 0).code)
  const held: Uint8Array[] = []
  const cases: readonly [name: string, trial: Trial, text: RegExp][] = [
    ['no end, also where somebody catches it', { run: read }, /too many steps/],
    ['memory', { run: (input) => void (input[0] === 1 && held.push(Buffer.alloc(64 << 20, 1))) }, /allocates far more/],
    ['a rejection', { run: async () => Promise.reject(new Error('later')) }, /later/],
    ['what nobody awaits', { run: stray }, /nobody waits for this/],
    ['a claim', { run: () => Promise.reject(new Broken('two and two are four')) }, /two and two are four/],
  ]
  for (const [name, trial, text] of cases) {
    const attempts = await Attempts.open(planted(trial), coverage)
    t.match(await attempts.run(Uint8Array.of(1)), { text }, name)
    await attempts.close()
  }
})

t.test('the same chance makes the same inputs, within their bound', async (t) => {
  const make = (): readonly Uint8Array[] => {
    const mutator = new Mutator(seededRandom([1, 2, 3, 4]), ['word'], 64)
    const [one, other] = [new Uint8Array(40).fill(7), new Uint8Array(60).fill(9)]
    return Array.from({ length: 500 }, () => mutator.mutate(one, other))
  }
  const made = make()
  t.same(make(), made)
  t.ok(made.every(({ length }) => length <= 64))
  t.ok(new Set(made.map((input) => Buffer.from(input).toString('hex'))).size > 400)
  t.ok(
    made.some((input) => Buffer.from(input).includes('word')),
    'words occur',
  )
})

t.test('what is shrunk keeps what it was kept for, and nothing else', async (t) => {
  const input = Buffer.from(`${'x'.repeat(300)}need${'y'.repeat(200)}le${'z'.repeat(99)}`)
  const small = await shrink(input, (one) => /need.*le/s.test(Buffer.from(one).toString()), 3000)
  t.equal(Buffer.from(small).toString(), 'needle')
})

function planted(trial: Trial): Target {
  return {
    name: 'planted',
    summary: 'for tests',
    seeds: () => [Uint8Array.of(1, 2, 3)],
    bytesMax: 16,
    stepsMax: { base: 1_000, each: 100 },
    inputsInTests: 0,
    open: () => trial,
  }
}

function moduleOf(code: string) {
  return import(`data:text/javascript,${encodeURIComponent(code)}`)
}

async function stray(): Promise<void> {
  void Promise.reject(new Error('nobody waits for this'))
  await new Promise((resolve) => setTimeout(resolve, 5))
}
