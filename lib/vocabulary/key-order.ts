/**
 * Keys stand in the order of their UTF-8 bytes, which is that of their code points. Strings compare by UTF-16 units,
 * where the halves of pairs stand in front of U+E000 to U+FFFF: those are put behind them here.
 */
export function compareKeys(one: string, other: string): number {
  const length = Math.min(one.length, other.length)
  for (let index = 0; index < length; index += 1) {
    const a = one.charCodeAt(index)
    const b = other.charCodeAt(index)
    if (a !== b) return rankOf(a) - rankOf(b)
  }
  return one.length - other.length
}

function rankOf(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}
