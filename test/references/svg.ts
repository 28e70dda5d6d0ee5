/** Little helpers for the pictures of docs/pictures. Coordinates are pixels; x goes right, y down. */

const style = `
    .paper { fill: #ffffff } .line { stroke: #444c56; fill: none; stroke-width: 1.5 } .thin { stroke: #8b949e; fill: none }
    text { font: 14px system-ui, sans-serif; fill: #1f2328 } .small { font-size: 12px } .strong { font-weight: 600 }
    .soft { fill: #59636e } .mono { font-family: ui-monospace, monospace; font-size: 12.5px } .on { fill: #ffffff; font-weight: 600 }
    .box { fill: #f6f8fa; stroke: #8b949e } .mark { fill: #fff1c2; stroke: #b7791f } .gone { fill: none; stroke: #8b949e; stroke-dasharray: 5 4 }
    .later { stroke: #59636e; fill: none; stroke-width: 1.5; stroke-dasharray: 5 4 } .head { fill: #444c56 }
    .n0 { fill: #2f6fb0 } .n1 { fill: #b3541e } .n2 { fill: #2e7d4f } .n3 { fill: #8250a8 } .n4 { fill: #b03060 }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #0d1117 } .line { stroke: #c9d1d9 } .thin { stroke: #6e7681 } text { fill: #e6edf3 } .soft { fill: #9da7b3 }
      .on { fill: #ffffff } .box { fill: #161b22; stroke: #6e7681 } .mark { fill: #3d2e00; stroke: #d29922 } .gone { stroke: #6e7681 }
      .later { stroke: #9da7b3 } .head { fill: #c9d1d9 }
    }`

export function svg(width: number, height: number, title: string, parts: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">
  <title>${escaped(title)}</title>
  <style>${style}
  </style>
  <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto-start-reverse"><path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>
  <rect class="paper" width="${width}" height="${height}" rx="8"/>
${parts.map((part) => `  ${part}`).join('\n')}
</svg>
`
}

export function text(
  x: number,
  y: number,
  words: string,
  how: { readonly as?: string; readonly at?: 'start' | 'middle' | 'end' } = {},
): string {
  return `<text x="${round(x)}" y="${round(y)}" class="${how.as ?? ''}" text-anchor="${how.at ?? 'middle'}">${escaped(words)}</text>`
}

/** A box with lines of words in its middle. */
export function box(
  x: number,
  y: number,
  width: number,
  height: number,
  words: readonly string[],
  as = 'box',
  wordsAs = '',
): string {
  const first = y + height / 2 + 5 - ((words.length - 1) * 18) / 2
  return [
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="6" class="${as}"/>`,
    ...words.map((line, index) =>
      text(x + width / 2, first + index * 18, line, { as: index > 0 && wordsAs === '' ? 'small soft' : wordsAs }),
    ),
  ].join('')
}

export function arrow(x1: number, y1: number, x2: number, y2: number, as = 'line'): string {
  return `<path d="M${round(x1)} ${round(y1)} L${round(x2)} ${round(y2)}" class="${as}" marker-end="url(#arrow)"/>`
}

export function path(d: string, as: string): string {
  return `<path d="${d}" class="${as}"/>`
}

export function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
