import t from 'tap'
import { seededRandom, seedFor } from '../../lib/ports/random.ts'
import type { StorageOperation } from '../../lib/ports/storage.ts'
import { encodeFrame } from '../../lib/value-log/frame.ts'
import { checkpointKey, encodePointer, parseCheckpoint, parseEntry } from '../../lib/value-log/index-entry.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import { bytes, hash, Place, put, text } from './fixtures/place.ts'

t.test(
  'what survives a crash is a beginning of what was written, with all that was acknowledged or synced',
  async (t) => {
    for (let seed = 1; seed <= 60; seed += 1) t.equal(crashAgainAndAgain(seed), undefined, `seed ${seed}`)
  },
)

t.test('the same while some lives keep a log and others empty it, and some end in good order', async (t) => {
  for (let seed = 61; seed <= 120; seed += 1) t.equal(crashAgainAndAgain(seed, true), undefined, `seed ${seed}`)
})

t.test('a synced value survives a power cut that takes the value written over it', async (t) => {
  let lost = 0
  for (let seed = 1; seed <= 40; seed += 1) {
    const place = new Place(seed)
    place.write([put('k', 'synced')], true)
    place.settle()
    place.write([put('k', 'over it')], false)
    place.settle(seed % 2 === 0 ? 1 : 200)
    place.crash('power')
    const value = text(place.get('k'))
    t.ok(value.startsWith('synced') || value.startsWith('over it'), `seed ${seed}: ${value.slice(0, 10)}`)
    if (value.startsWith('synced')) lost += 1
  }
  t.ok(lost > 5, 'power cuts took what nobody had synced')
})

t.test('at rest the log is not larger than one and a half times what is of use', async (t) => {
  const place = new Place(7)
  const random = seededRandom(seedFor(7, 'test'))
  for (let round = 0; round < 400; round += 1) {
    place.write(
      Array.from({ length: 4 }, () => put(`k${random.below(100)}`, `${round}`)),
      false,
    )
    if (round % 20 === 0) place.settle(20)
  }
  place.settle(60_000)
  const figures = place.opened.valueLog?.figures()
  t.ok(figures !== undefined && figures.reclaimedBytes > 0)
  t.ok((figures?.bytes ?? 0) <= 1.5 * (figures?.liveBytes ?? 0), JSON.stringify(figures))
  const onDisk = place.segmentBytes()
  t.equal(figures?.bytes, onDisk, 'and the disk knows it')

  await t.test('nothing is lost by it, now and at the next open', async (t) => {
    const before = place.all().map(({ key, value }) => [text(key), text(value)])
    t.ok(before.length > 90)
    place.crash('power')
    t.same(
      place.all().map(({ key, value }) => [text(key), text(value)]),
      before,
    )
  })
})

t.test('a moved value that the index had before a crash of the process is not given up by a later start', async (t) => {
  const place = new Place(9)
  place.write([put('k', 'value')], true)
  place.settle()
  const { disk } = place.world.machine('ada')
  const checkpoint = parseCheckpoint(disk.index.get(checkpointKey) as Uint8Array)
  const from = parseEntry(disk.index.get(bytes('k')) as Uint8Array)
  if (checkpoint === undefined || from.type !== 'pointer') throw new Error('the index did not follow')
  const value = disk.segments.read(from.segment, from.offset, from.length)
  const frame = encodeFrame(checkpoint.sequence, [], [{ key: bytes('k'), value, from }], 512, hash)
  const segment = checkpoint.segment + 1
  disk.segments.append(segment, frame.bytes)
  const { offset, length } = frame.records[0] as { offset: number; length: number }
  disk.write([{ type: 'put', key: bytes('k'), value: encodePointer({ segment, offset, length }) }], true)
  for (let start = 0; start < 3; start += 1) {
    place.crash('kill')
    t.match(text(place.get('k')), /^value/)
    place.settle(start === 0 ? 0 : 60_000)
  }
})

t.test('reclaiming waits while clients would wait for it', async (t) => {
  const place = new Place(8)
  place.opened.valueLog?.reclaimOnlyWhile(() => false)
  // Half of it is dead: within what is borne for clients' sake.
  for (let round = 0; round < 2; round += 1)
    for (let key = 0; key < 100; key += 1) place.write([put(`k${key}`, `${round}`)], false)
  place.settle(20_000)
  t.equal(place.opened.valueLog?.figures().reclaimedBytes, 0)
  place.opened.valueLog?.reclaimOnlyWhile(() => true)
  place.settle(20_000)
  t.ok((place.opened.valueLog?.figures().reclaimedBytes ?? 0) > 0)
})

t.test('a log that is no longer wanted is emptied into the index, and goes with the next close', async (t) => {
  const place = new Place(12)
  for (let key = 0; key < 200; key += 1) place.write([put(`k${key}`, `first ${key}`)], false)
  place.settle()
  const before = place.all().map(({ key, value }) => [text(key), text(value)])
  place.isDraining = true
  place.closeAndOpen()
  t.ok(place.segmentBytes() > 200 * 600, 'it is there at first')
  place.write([put('k0', 'second')], false)
  place.settle(60_000)
  t.equal(place.opened.valueLog?.figures().liveBytes, 0, 'nothing of use is left in it')
  place.close()
  const { disk } = place.world.machine('ada')
  t.equal(place.segmentBytes(), 0)
  t.equal(disk.index.get(checkpointKey), undefined, 'LevelDB alone can go on')
  for (const [key, value] of before) {
    const stored = text(disk.index.get(bytes(key as string)))
    if (key === 'k0') t.match(stored, /^second/)
    else if (stored !== value) t.fail(`${key}: ${stored}`)
  }
})

t.test('who looks at a disk sees what the store on it would show, and what a power cut would leave', async (t) => {
  let notYet = 0
  for (let seed = 121; seed <= 140; seed += 1) {
    const random = seededRandom(seedFor(seed, 'test'))
    const place = new Place(seed)
    const { disk } = place.world.machine('ada')
    for (let index = 0; index < 80; index += 1) {
      place.write(drawOperations(random, `${index}`), random.below(8) === 0)
      if (random.below(3) === 0) place.settle(random.below(4) === 0 ? 400 : 2)
      if (random.below(20) === 0) place.crash('kill')
    }
    place.settle(5)
    const shown = place.all().map(({ key, value }) => [text(key), text(value)])
    const seen = Array.from({ length: disk.live.length }, (_, at) => disk.live.at(at))
    t.same(
      seen.map((entry) => [text(entry?.key), text(entry?.value)]),
      shown,
      `seed ${seed}`,
    )
    place.write([put('synced', 'it is')], true)
    place.settle(50)
    place.write([put('synced', 'and is not')], false)
    place.settle(2)
    t.match(text(disk.live.get(bytes('synced'))), /^and is not/)
    const durable = text(disk.durableValue(bytes('synced')))
    t.match(durable, /^(it is|and is not)/)
    if (durable.startsWith('it is')) notYet += 1
  }
  t.ok(notYet > 10, 'the index may have wanted a sync meanwhile, but seldom')
})

t.test('a pointer that is damaged is no pointer', async (t) => {
  const pointer = encodePointer({ segment: 3, offset: 1000, length: 2000 })
  t.match(parseEntry(pointer), { type: 'pointer', segment: 3, offset: 1000, length: 2000 })
  for (let bit = 16; bit < pointer.length * 8; bit += 1) {
    const damaged = pointer.slice()
    damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7))
    if (parseEntry(damaged).type === 'pointer') t.fail(`bit ${bit}`)
  }
})

t.test('deleted values give their room back', async (t) => {
  const place = new Place(9)
  for (let key = 0; key < 200; key += 1) place.write([put(`k${key}`, 'x')], false)
  place.settle()
  const full = place.segmentBytes()
  for (let key = 0; key < 200; key += 1) place.write([{ type: 'delete', key: bytes(`k${key}`) }], false)
  place.settle(60_000)
  t.ok(place.segmentBytes() < full / 4, `${place.segmentBytes()} of ${full} bytes are left`)
})

t.test('a segment that cannot be read is left where it is, and its values tell by themselves', async (t) => {
  const place = new Place(10)
  for (let key = 0; key < 100; key += 1) place.write([put(`k${key}`, 'first')], false)
  place.settle()
  const disk = place.world.machine('ada').disk
  const first = disk.segments.list()[0]?.number ?? 0
  // The head of its first frame.
  disk.segments.flipBit(first, 0, 4)
  for (let key = 0; key < 80; key += 1) place.write([put(`k${key}`, 'second')], false)
  place.settle(60_000)
  t.ok(disk.segments.bytesOf(first) > 0)
  for (let key = 80; key < 100; key += 1) t.ok(text(place.get(`k${key}`)).startsWith('first'))
})

/** @returns what is wrong, or undefined */
function crashAgainAndAgain(seed: number, isSwitched = false): string | undefined {
  const random = seededRandom(seedFor(seed, 'test'))
  const place = new Place(seed)
  let before: readonly (readonly [string, string])[] = []
  for (let life = 0; life < 6; life += 1) {
    const states = [before]
    let acknowledged = 0
    let synced = 0
    for (let index = 0; index < 60; index += 1) {
      const sync = random.below(8) === 0
      const operations = drawOperations(random, `${life}/${index}`)
      states.push(applied(states[index] ?? [], operations))
      place.write(operations, sync, (failure) => {
        if (failure !== undefined) return
        acknowledged = index + 1
        if (sync) synced = acknowledged
      })
      if (random.below(3) === 0) place.settle(random.below(4) === 0 ? 400 : 1)
    }
    if (isSwitched) {
      place.isDraining = random.below(2) === 0
      if (random.below(2) === 0) place.settle(20_000)
    }
    const kind = isSwitched && random.below(3) === 0 ? 'close' : random.below(2) === 0 ? 'kill' : 'power'
    if (kind === 'close') place.closeAndOpen()
    else place.crash(kind)
    const found = JSON.stringify(place.all().map(({ key, value }) => [text(key), text(value)]))
    const least = kind === 'power' ? synced : acknowledged
    const survived = states.findLastIndex((state) => JSON.stringify(state) === found)
    if (survived < least) return `life ${life}, ${kind}: ${survived} survived, ${least} had to`
    before = states[survived] ?? []
  }
  return undefined
}

function drawOperations(random: Random, mark: string): readonly StorageOperation[] {
  return Array.from({ length: 1 + random.below(4) }, (): StorageOperation => {
    const key = `k${String(random.below(24)).padStart(2, '0')}`
    const draw = random.below(10)
    if (draw === 0) return { type: 'delete', key: bytes(key) }
    return draw < 3 ? { type: 'put', key: bytes(key), value: bytes(mark) } : put(key, mark)
  })
}

function applied(
  state: readonly (readonly [string, string])[],
  operations: readonly StorageOperation[],
): readonly (readonly [string, string])[] {
  const map = new Map(state)
  for (const operation of operations) {
    if (operation.type === 'put') map.set(text(operation.key), text(operation.value))
    else map.delete(text(operation.key))
  }
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1))
}
