import t from 'tap'
import type { Hlc } from '../../lib/protocol/clock/hlc.ts'
import type { LayoutDocument, StagedChange } from '../../lib/protocol/layout/layout-document.ts'
import { layoutHash, toDecidedLayout } from '../../lib/protocol/layout/layout-hash.ts'
import type { LayoutVersion } from '../../lib/protocol/layout/layout-version.ts'
import { type NodeId, toNodeId } from '../../lib/vocabulary/ids.ts'
import { decodeLayoutDocument, encodeLayoutDocument } from '../../lib/wire/layout-document.ts'
import { MalformedBytes, UnknownFormat, UnreadableBytes } from '../../lib/wire/unreadable-bytes.ts'
import fc from '../fixtures/fast-check.ts'
import { flipped, hex, thrownBy, truncations, unhex } from './fixtures/bytes.ts'
import { hash } from './fixtures/hash.ts'
import { layoutDocument, tableOf } from './fixtures/layout-arbitraries.ts'

const [ada, bob, cyd] = ['a', 'b', 'c'].map((digit) => toNodeId(digit.repeat(32))) as [NodeId, NodeId, NodeId]

const first: LayoutVersion = {
  number: 1,
  assignedAt: 1,
  parent: '',
  partitionCount: 4,
  replicaCount: 2,
  nodes: [
    { id: ada, shortId: 1, zone: 'x', weight: 1 },
    { id: bob, shortId: 2, zone: 'y', weight: 1 },
    { id: cyd, shortId: 3, zone: 'z', weight: 2.5 },
  ],
  assignment: Uint16Array.of(0, 1, 1, 2, 0, 2, 1, 2),
  excluded: [],
  awaited: [],
  forgotten: [],
  forks: 0,
}
const decided = toDecidedLayout(first, hash)
const second: LayoutVersion = {
  ...first,
  number: 2,
  assignedAt: 2,
  parent: decided.hash,
  nodes: first.nodes.slice(0, 2),
  assignment: Uint16Array.of(0, 1, 0, 1, 0, 1, 0, 1),
  excluded: [cyd],
  awaited: [cyd],
  forks: 1,
}
const example: LayoutDocument = {
  live: [decided, toDecidedLayout(second, hash, decided.clusterId)],
  candidates: new Map([[layoutHash(first, hash), first]]),
  votes: new Map([[ada, { seq: 1, round: 2, stance: 'withdrawn', candidate: layoutHash(first, hash) }]]),
  trackers: new Map([[cyd, { seq: 4, ack: 2, sync: 1, syncAck: 1, hintsClear: 300 }]]),
  staged: new Map([
    [cyd, { setAt: 5 as Hlc, setBy: ada, action: 'replace', with: bob, zone: 'w', weight: 0.5, force: false }],
    [
      bob,
      {
        setAt: 6 as Hlc,
        setBy: ada,
        action: 'leave',
        with: undefined,
        zone: undefined,
        weight: undefined,
        force: false,
      },
    ],
  ]),
}
/** Format 2, frozen. */
const secondBytes =
  '02018dc5ce4ab0b4eaa0028dc5ce4ab0b4eaa000040202aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0101783ff00000000000' +
  '00bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb0201793ff0000000000000000100010001000101cccccccccccccccccccccccc' +
  'cccccccc01cccccccccccccccccccccccccccccccc0101cccccccccccccccccccccccccccccccc0001aaaaaaaaaaaaaaaa' +
  'aaaaaaaaaaaaaaaa0102018dc5ce4ab0b4eaa001cccccccccccccccccccccccccccccccc04020101ac0201bbbbbbbbbbbb' +
  'bbbbbbbbbbbbbbbbbbbb06aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0100000001'
/** Format 1, frozen: these bytes stand on disks. */
const exampleBytes =
  '01028dc5ce4ab0b4eaa001040203aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0101783ff0000000000000bbbbbbbbbbbbbbbbbb' +
  'bbbbbbbbbbbbbb0201793ff0000000000000cccccccccccccccccccccccccccccccc03017a40040000000000000001010200' +
  '0201020000008dc5ce4ab0b4eaa0028dc5ce4ab0b4eaa000040202aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0101783ff00000' +
  '00000000bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb0201793ff0000000000000000100010001000101cccccccccccccccccccc' +
  'cccccccccccc01cccccccccccccccccccccccccccccccc010101040203aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0101783ff0' +
  '000000000000bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb0201793ff0000000000000cccccccccccccccccccccccccccccccc03' +
  '017a4004000000000000000101020002010200000001aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0102018dc5ce4ab0b4eaa001' +
  'cccccccccccccccccccccccccccccccc04020101ac0202bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb06aaaaaaaaaaaaaaaaaaaa' +
  'aaaaaaaaaaaa01000000cccccccccccccccccccccccccccccccc05aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0201bbbbbbbbbb' +
  'bbbbbbbbbbbbbbbbbbbbbb010177013fe0000000000000'

t.test('a layout document', async (t) => {
  t.test('comes back as it was', async (t) => {
    fc.assert(
      fc.property(layoutDocument, (document) => {
        t.same(decode(encodeLayoutDocument(document)), document)
      }),
      { numRuns: 200 },
    )
  })

  t.test('has the bytes of format 1', async (t) => {
    t.equal(hex(encodeLayoutDocument(example)), exampleBytes)
    t.same(decode(unhex(exampleBytes)), example)
  })

  t.test('has format 2 where something is forgotten or forced, and only there', async (t) => {
    const forgetting = toDecidedLayout({ ...second, forgotten: [cyd] }, hash, decided.clusterId)
    const forced = new Map([[bob, { ...(example.staged.get(bob) as StagedChange), force: true }]])
    for (const document of [
      { ...example, live: [decided, forgetting] },
      { ...example, staged: forced },
    ]) {
      const bytes = encodeLayoutDocument(document)
      t.equal(bytes[0], 2)
      t.same(decode(bytes), document)
    }
    t.equal(
      hex(encodeLayoutDocument({ ...example, live: [forgetting], candidates: new Map(), staged: forced })),
      secondBytes,
    )
    t.equal(encodeLayoutDocument(example)[0], 1, 'as older releases read it')
    t.equal(layoutHash(first, hash), decided.hash)
    t.not(forgetting.hash, toDecidedLayout(second, hash, decided.clusterId).hash)
  })

  t.test('has the same bytes in whatever order its maps were filled', async (t) => {
    const turned = { ...example, staged: new Map([...example.staged].toReversed()) }
    t.equal(hex(encodeLayoutDocument(turned)), exampleBytes)
  })

  t.test('of 1024 partitions and three owners takes about a byte for each', async (t) => {
    const large = { ...first, partitionCount: 1024, replicaCount: 3, assignment: tableOf(1024, 3, 3, 0) }
    t.ok(
      encodeLayoutDocument({ ...example, live: [toDecidedLayout(large, hash)], candidates: new Map() }).length < 3600,
    )
  })

  t.test('of more than 256 nodes, too', async (t) => {
    const nodes = Array.from({ length: 300 }, (_, at) => ({
      id: toNodeId(at.toString(16).padStart(32, '0')),
      shortId: at,
      zone: 'z',
      weight: 1,
    }))
    const wide = { ...first, nodes, assignment: Uint16Array.of(0, 299, 255, 256, 1, 2, 298, 299) }
    const document = { ...example, live: [toDecidedLayout(wide, hash)] }
    t.same(decode(encodeLayoutDocument(document)), document)
  })

  t.test('whose ring has holes is refused', async (t) => {
    const withTable = (...table: number[]) => ({ ...first, assignment: Uint16Array.from(table) })
    for (const [version, why] of [
      [withTable(0, 1, 1, 2, 0, 2, 1), 'a partition lacks an owner'],
      [withTable(0, 1, 1, 2, 0, 2, 1, 3), 'an owner is no node'],
      [withTable(0, 1, 1, 1, 0, 2, 1, 2), 'an owner counts twice'],
      [withTable(0, 1, 2, 1, 0, 2, 1, 2), 'owners are not ascending'],
      [{ ...first, partitionCount: 3, assignment: Uint16Array.of(0, 1, 1, 2, 0, 2) }, 'not a power of two'],
      [{ ...first, partitionCount: 0, assignment: Uint16Array.of() }, 'no partitions'],
      [{ ...first, replicaCount: 0, assignment: Uint16Array.of() }, 'no replicas'],
      [{ ...first, nodes: first.nodes.toReversed() }, 'nodes are not sorted'],
      [{ ...first, nodes: first.nodes.map((node) => ({ ...node, shortId: 1 })) }, 'one short id for several'],
      [{ ...first, nodes: [], assignment: Uint16Array.of() }, 'no nodes'],
      [{ ...first, number: 0 }, 'there is no version 0'],
    ] as const) {
      const document = { ...example, live: [], candidates: new Map([['x', version]]) }
      t.match(
        thrownBy(() => decode(encodeLayoutDocument(document))),
        MalformedBytes,
        why,
      )
    }
  })

  t.test('whose decided versions do not belong together is refused', async (t) => {
    const [one, two] = example.live as [typeof decided, typeof decided]
    for (const live of [[two, one], [one, one], [{ ...one, clusterId: two.hash as typeof one.clusterId }]]) {
      t.match(
        thrownBy(() => decode(encodeLayoutDocument({ ...example, live }))),
        MalformedBytes,
      )
    }
  })

  t.test('cut off anywhere is malformed; of a version to come, unknown', async (t) => {
    for (const cut of truncations(unhex(exampleBytes)))
      t.match(
        thrownBy(() => decode(cut)),
        MalformedBytes,
      )
    t.match(
      thrownBy(() => decode(unhex(`${exampleBytes}00`))),
      MalformedBytes,
    )
    t.match(
      thrownBy(() => decode(unhex(`03${exampleBytes.slice(2)}`))),
      UnknownFormat,
    )
  })

  t.test('with bits turned over is another in its own form, or refused in a declared way', async (t) => {
    const whole = unhex(exampleBytes)
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const changed = flipped(whole, bit)
      const error = thrownBy(() => t.equal(hex(encodeLayoutDocument(decode(changed))), hex(changed)))
      if (error !== undefined && !(error instanceof UnreadableBytes)) throw error
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const error = thrownBy(() => decode(Uint8Array.of(1, ...noise)))
        t.ok(error === undefined || error instanceof UnreadableBytes)
      }),
      { numRuns: 500 },
    )
  })

  t.test('cannot promise a table larger than itself', async (t) => {
    const small = hex(encodeLayoutDocument({ ...example, live: [], candidates: new Map([['x', first]]) }))
    const huge = small.replace('010402', '018080 0402'.replace(' ', ''))
    t.not(huge, small)
    t.match(
      thrownBy(() => decode(unhex(huge))),
      MalformedBytes,
    )
  })
})

function decode(bytes: Uint8Array): LayoutDocument {
  return decodeLayoutDocument(bytes, layoutHash, hash)
}
