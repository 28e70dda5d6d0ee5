/** Text of a drawing that is well formed: only `element` and `text` make it, and they escape what they are given. */
export type Svg = string & { readonly brand?: 'svg' }

export type Attributes = Readonly<Record<string, string | number>>

export function element(name: string, attributes: Attributes, children: readonly Svg[] = []): Svg {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(shown(value))}"`)
  const head = `<${name}${written.join('')}`
  return children.length === 0 ? `${head}/>` : `${head}>${children.join('')}</${name}>`
}

export function text(x: number, y: number, words: string, attributes: Attributes = {}): Svg {
  return `<text x="${shown(x)}" y="${shown(y)}"${Object.entries(attributes)
    .map(([key, value]) => ` ${key}="${escaped(shown(value))}"`)
    .join('')}>${escaped(words)}</text>`
}

export function line(x1: number, y1: number, x2: number, y2: number, stroke: string): Svg {
  return element('line', { x1, y1, x2, y2, stroke })
}

/** Through all points, which are pairs of x and y. */
export function path(points: readonly (readonly [number, number])[], stroke: string): Svg {
  const places = points.map(([x, y]) => `${shown(x)},${shown(y)}`).join(' ')
  return element('polyline', { points: places, fill: 'none', stroke, 'stroke-width': 1.5 })
}

/** A whole file. */
export function drawing(width: number, height: number, children: readonly Svg[]): Svg {
  const attributes = { xmlns: 'http://www.w3.org/2000/svg', width, height, viewBox: `0 0 ${width} ${height}` }
  const style = { 'font-family': 'sans-serif', 'font-size': 11, fill: '#222' }
  const ground = element('rect', { width, height, fill: '#fff' })
  return `${element('svg', { ...attributes, ...style }, [ground, ...children])}\n`
}

/** A tenth of a pixel is enough, and what is no number is no place. */
function shown(value: string | number): string {
  if (typeof value === 'string') return value
  return Number.isFinite(value) ? String(Math.round(value * 10) / 10) : '0'
}

function escaped(words: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return words.replaceAll(/[&<>"]/g, (sign) => entities[sign] ?? sign)
}
