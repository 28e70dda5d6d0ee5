import { html, type Markup } from './markup.ts'
import type { GraphNode } from './story.ts'
import { round } from './time-scale.ts'

const columnWidth = 150
const rowHeight = 58
const boxWidth = 112
const boxHeight = 38

interface Placed {
  readonly node: GraphNode
  readonly column: number
  readonly row: number
}

/** Who had seen whom: time goes to the right, an arrow leads from a write to one that superseded it. */
export function siblingGraph(nodes: readonly GraphNode[]): Markup {
  const placed = place(nodes)
  const byVid = new Map(placed.map((one) => [one.node.vid, one]))
  const columns = Math.max(1, ...placed.map(({ column }) => column + 1))
  const rows = Math.max(1, ...placed.map(({ row }) => row + 1))
  const width = columns * columnWidth + 10
  const height = rows * rowHeight + 8
  const edges = placed.flatMap((to) =>
    to.node.seen.flatMap(({ vid, isDirect }) => {
      const from = byVid.get(vid)
      return from === undefined ? [] : [edge(from, to, isDirect)]
    }),
  )
  const label = `Sibling graph: ${nodes.map(sentenceOf).join('; ')}`
  return html`<div class="graph"><svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}">${edges}${placed.map(box)}</svg></div>
`
}

/** As far to the right as what it had seen demands; below each other in the order of their invocations. */
function place(nodes: readonly GraphNode[]): readonly Placed[] {
  const columnOf = new Map<string, number>()
  const used = new Map<number, number>()
  return nodes.map((node) => {
    const column = Math.max(0, ...node.seen.map(({ vid }) => (columnOf.get(vid) ?? -1) + 1))
    columnOf.set(node.vid, column)
    const row = used.get(column) ?? 0
    used.set(column, row + 1)
    return { node, column, row }
  })
}

function edge(from: Placed, to: Placed, isDirect: boolean): Markup {
  const x1 = from.column * columnWidth + 6 + boxWidth
  const y1 = from.row * rowHeight + 6 + boxHeight / 2
  const x2 = to.column * columnWidth + 6
  const y2 = to.row * rowHeight + 6 + boxHeight / 2
  const bend = round((x2 - x1) / 2)
  const title = `${to.node.vid} had seen ${from.node.vid}${isDirect ? '' : ', by way of writes that are not shown'}`
  return html`<path class="edge${isDirect ? '' : ' far'}" d="M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2 - 5} ${y2}m-5 -3.5l6 3.5l-6 3.5"><title>${title}</title></path>`
}

function box({ node, column, row }: Placed): Markup {
  const x = column * columnWidth + 6
  const y = row * rowHeight + 6
  const { write, vid, isConcerned, isShown } = node
  const kind =
    write === undefined ? 'nobody wrote it' : `${write.type} ${write.outcome}${write.isBlind ? ', blind' : ''}`
  const rank = `${isConcerned ? ' concerned' : ''}${isShown ? ' shown' : ''}${write?.type === 'delete' ? ' delete' : ''}`
  return html`<g class="vid${rank}"><title>${sentenceOf(node)}</title><rect x="${x}" y="${y}" width="${boxWidth}" height="${boxHeight}" rx="5"/><text x="${x + 8}" y="${y + 16}">${short(vid)}</text><text class="small" x="${x + 8}" y="${y + 30}">${kind}</text></g>`
}

function sentenceOf({ vid, write, isConcerned, isShown, seen }: GraphNode): string {
  const what = write === undefined ? 'written by nobody' : `a ${write.type} that ended ${write.outcome}`
  const saw = seen.length === 0 ? '' : `, had seen ${seen.map((one) => one.vid).join(' and ')}`
  return `${vid}${isConcerned ? ' (concerned)' : ''}${isShown ? ' (shown)' : ''}, ${what}${saw}`
}

function short(vid: string): string {
  return vid.length <= 15 ? vid : `${vid.slice(0, 14)}…`
}
