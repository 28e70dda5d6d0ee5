import { createHash } from '../../lib/platform/xxhash.ts'
import { partitionOf } from '../../lib/protocol/ring/partition.ts'
import { planAssignment } from '../../lib/protocol/ring/planner.ts'
import { toNodeId } from '../../lib/vocabulary/ids.ts'
import { type Bucket, type Key, toRecordKey } from '../../lib/vocabulary/key.ts'
import { arrow, box, path, round, svg, text } from './svg.ts'

/** The pictures of docs/concepts.md, by file. What can be computed by Starling itself is. */
export async function pictures(): Promise<Readonly<Record<string, string>>> {
  return {
    'docs/pictures/ring.svg': await ring(),
    'docs/pictures/quorum.svg': quorum(),
    'docs/pictures/siblings.svg': siblings(),
    'docs/pictures/hints.svg': hints(),
    'docs/pictures/exchange.svg': exchange(),
  }
}

const names = ['ada', 'bob', 'cyd', 'dan', 'eve']
const partitionCount = 16
const replicaCount = 3

/** The real plan for five nodes, and where the real hash puts a key. */
async function ring(): Promise<string> {
  const ids = names.map((_, index) => toNodeId('abcde'.charAt(index).repeat(32)))
  const nodes = ids.map((id) => ({ id, zone: 'default', weight: 1 }))
  const plan = planAssignment({ nodes, partitionCount, replicaCount })
  if (!plan.ok) throw new Error(plan.reason)
  const ownersOf = (partition: number): readonly number[] => [
    ...plan.assignment.subarray(partition * replicaCount, (partition + 1) * replicaCount),
  ]
  const { token } = toRecordKey('carts' as Bucket, 'ada' as Key, await createHash())
  const mine = partitionOf(token, partitionCount)
  const [cx, cy] = [235, 225]
  const cells = Array.from({ length: partitionCount }, (_, partition) =>
    ownersOf(partition).map((owner, track) => cell(cx, cy, partition, 118 + track * 24, owner)),
  ).flat(2)
  const labels = Array.from({ length: partitionCount }, (_, partition) => {
    const [x, y] = onCircle(cx, cy, 104, partition + 0.5)
    return text(x, y + 4, String(partition), { as: partition === mine ? 'strong' : 'small soft' })
  })
  const share = Number(token) / 2 ** 64
  const [px, py] = onCircle(cx, cy, 214, share * partitionCount)
  const [qx, qy] = onCircle(cx, cy, 194, share * partitionCount)
  const words = [
    'the key ada of the bucket carts',
    `its token, a hash: ${token.toString(16).padStart(16, '0')}`,
    `the first bits of it: partition ${mine} of ${partitionCount}`,
    `its owners: ${ownersOf(mine)
      .map((owner) => names[owner])
      .join(', ')}`,
  ]
  const loads = plan.targets.map(({ load }, index) => `${names[index]} ${load}`)
  return svg(820, 450, `A ring of ${partitionCount} partitions with three owners each`, [
    ...cells,
    ...labels,
    text(cx, cy - 6, 'the ring', { as: 'strong' }),
    text(cx, cy + 14, `${partitionCount} partitions`, { as: 'small soft' }),
    arrow(px, py, qx, qy),
    ...words.map((line, index) => text(480, 120 + index * 26, line, { at: 'start', as: index === 0 ? 'strong' : '' })),
    ...names.map((name, index) =>
      legend(480, 250 + index * 26, index, `${name}: ${loads[index]?.split(' ')[1]} copies of partitions`),
    ),
    text(480, 400, `${partitionCount} × ${replicaCount} copies on five nodes, as even as they can be`, {
      at: 'start',
      as: 'small soft',
    }),
  ])
}

function legend(x: number, y: number, node: number, words: string): string {
  return `<rect x="${x}" y="${y - 12}" width="16" height="16" rx="3" class="n${node}"/>${text(x + 26, y + 1, words, { at: 'start' })}`
}

/** One copy of one partition: a piece of a track. */
function cell(cx: number, cy: number, partition: number, radius: number, node: number): string[] {
  const [inner, outer] = [radius, radius + 21]
  const [from, to] = [partition + 0.03, partition + 0.97]
  const corners = [
    onCircle(cx, cy, outer, from),
    onCircle(cx, cy, outer, to),
    onCircle(cx, cy, inner, to),
    onCircle(cx, cy, inner, from),
  ]
  const [a, b, c, d] = corners.map(([x, y]) => `${round(x)} ${round(y)}`)
  const [x, y] = onCircle(cx, cy, radius + 10.5, partition + 0.5)
  return [
    path(`M${a} A${outer} ${outer} 0 0 1 ${b} L${c} A${inner} ${inner} 0 0 0 ${d} z`, `n${node}`),
    text(x, y + 4.5, (names[node] as string).charAt(0), { as: 'on small' }),
  ]
}

/** Clockwise from the top, in partitions. */
function onCircle(cx: number, cy: number, radius: number, at: number): readonly [number, number] {
  const angle = (at / partitionCount) * 2 * Math.PI - Math.PI / 2
  return [cx + radius * Math.cos(angle), cy + radius * Math.sin(angle)]
}

function quorum(): string {
  const owner = (x: number, y: number, node: number, holds: string): string =>
    box(x, y, 92, 44, [names[node] as string], `n${node}`, 'on') + text(x + 46, y + 62, holds, { as: 'small' })
  return svg(820, 300, 'A write that two of three owners acknowledge, and a read that asks two of them', [
    text(200, 30, 'PUT, w = 2', { as: 'strong' }),
    box(155, 48, 92, 36, ['client']),
    arrow(190, 84, 80, 158),
    arrow(200, 84, 200, 158),
    arrow(212, 84, 320, 158, 'later'),
    owner(30, 160, 0, 'milk ✓'),
    owner(154, 160, 1, 'milk ✓'),
    owner(278, 160, 2, 'bread'),
    text(200, 258, 'answered when two have stored it;', { as: 'small soft' }),
    text(200, 276, 'the third gets it all the same', { as: 'small soft' }),
    path('M410 30 L410 270', 'thin'),
    text(620, 30, 'GET, r = 2', { as: 'strong' }),
    box(575, 48, 92, 36, ['client']),
    arrow(620, 84, 620, 158),
    arrow(632, 84, 740, 158),
    owner(450, 160, 0, 'milk'),
    owner(574, 160, 1, 'milk'),
    owner(698, 160, 2, 'bread → milk'),
    text(620, 258, '2 + 2 > 3: whichever two are asked, one has it;', { as: 'small soft' }),
    text(620, 276, 'the other is repaired before the answer', { as: 'small soft' }),
  ])
}

function siblings(): string {
  return svg(820, 270, 'Two writes based on the same read become siblings, which a later write merges', [
    box(30, 108, 130, 50, ['bread', 'a1']),
    arrow(160, 122, 258, 74),
    arrow(160, 144, 258, 192),
    text(196, 84, 'phone', { as: 'small soft' }),
    text(196, 194, 'laptop', { as: 'small soft' }),
    box(260, 48, 150, 50, ['bread, milk', 'a2, has seen a1']),
    box(260, 168, 150, 50, ['bread, eggs', 'a3, has seen a1']),
    path('M470 40 L462 40 L462 226 L470 226', 'thin'),
    text(476, 122, 'a read shows both,', { at: 'start' }),
    text(476, 142, 'with one context: a1 a2 a3', { at: 'start', as: 'small soft' }),
    arrow(636, 132, 658, 132),
    box(660, 104, 140, 56, ['bread, milk, eggs', 'a4, has seen a1 to a3'], 'mark'),
    text(335, 250, 'neither has seen the other: siblings', { as: 'small soft' }),
    text(730, 184, 'the merge has seen both:', { as: 'small soft' }),
    text(730, 202, 'it takes their place', { as: 'small soft' }),
  ])
}

function hints(): string {
  const node = (x: number, y: number, index: number): string =>
    box(x, y, 84, 40, [names[index] as string], `n${index}`, 'on')
  return svg(820, 320, 'A write while an owner is away, kept by a stand-in and delivered when the owner is back', [
    text(200, 30, '1  cyd is away', { as: 'strong' }),
    box(30, 120, 92, 40, ['PUT, w = 3']),
    node(220, 50, 0),
    node(220, 110, 1),
    box(220, 170, 84, 40, ['cyd'], 'gone'),
    node(220, 240, 3),
    arrow(122, 132, 218, 72),
    arrow(122, 138, 218, 130),
    arrow(122, 148, 218, 256),
    box(316, 240, 82, 40, ['for cyd'], 'mark', 'small'),
    text(210, 304, 'dan stands in, and keeps the write as a hint', { as: 'small soft' }),
    path('M420 30 L420 300', 'thin'),
    text(630, 30, '2  cyd is back', { as: 'strong' }),
    node(590, 50, 0),
    node(590, 110, 1),
    node(590, 170, 2),
    node(590, 240, 3),
    box(470, 240, 96, 40, ['for cyd'], 'gone', 'small soft'),
    path('M676 260 C730 260 730 190 680 190', 'line" marker-end="url(#arrow)'),
    text(724, 230, 'delivered', { at: 'start', as: 'small' }),
    text(630, 304, 'dan brings it within seconds, and forgets it', { as: 'small soft' }),
  ])
}

function exchange(): string {
  const tree = (x: number, name: number): string[] => {
    const leaf = (index: number): number => x + 20 + index * 74
    const level = (y: number, count: number, marked: number, width: number): string[] =>
      Array.from({ length: count }, (_, index) => {
        const step = 296 / count
        return box(round(x + step * index + (step - width) / 2), y, width, 30, [''], index === marked ? 'mark' : 'box')
      })
    const line = (x1: number, y1: number, x2: number, y2: number, as = 'thin'): string =>
      path(`M${x1} ${y1} L${x2} ${y2}`, as)
    return [
      box(x + 106, 20, 84, 32, [names[name] as string], `n${name}`, 'on'),
      line(x + 148, 100, x + 74, 140),
      line(x + 148, 100, x + 222, 140, 'line'),
      line(x + 222, 170, x + 185, 210),
      line(x + 222, 170, x + 259, 210, 'line'),
      line(x + 74, 170, x + 37, 210),
      line(x + 74, 170, x + 111, 210),
      ...level(70, 1, 0, 130),
      ...level(140, 2, 1, 92),
      ...level(210, 4, 3, 56),
      line(leaf(3) + 16, 240, leaf(3) + 16, 266, 'line'),
    ]
  }
  return svg(820, 350, 'Two owners compare their copies of a partition from the top of a tree down to the keys', [
    ...tree(30, 0),
    ...tree(494, 1),
    text(178, 90, '5f2c', { as: 'mono' }),
    text(642, 90, '91d0', { as: 'mono' }),
    text(410, 90, 'differs', { as: 'strong' }),
    text(104, 160, 'a7', { as: 'mono soft' }),
    text(252, 160, 'f8', { as: 'mono' }),
    text(568, 160, 'a7', { as: 'mono soft' }),
    text(716, 160, '36', { as: 'mono' }),
    text(410, 160, 'which branch?', {}),
    ...[0, 1, 2].flatMap((index) => [
      text(67 + index * 74, 230, ['1', '6', 'e'][index] as string, { as: 'mono soft' }),
      text(531 + index * 74, 230, ['1', '6', 'e'][index] as string, { as: 'mono soft' }),
    ]),
    text(289, 230, '6', { as: 'mono' }),
    text(753, 230, '8', { as: 'mono' }),
    text(410, 230, 'which leaf?', {}),
    box(208, 268, 130, 32, ['carts/ada: a2'], 'box', 'small'),
    box(672, 268, 130, 32, ['carts/ada: a1'], 'mark', 'small'),
    arrow(340, 284, 668, 284),
    text(505, 276, 'the newer state, to be merged', { as: 'small soft' }),
    text(410, 334, 'three short questions; what is equal is never sent', { as: 'small soft' }),
  ])
}
