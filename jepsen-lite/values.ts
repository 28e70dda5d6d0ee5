/** All keys of a run are in this bucket. */
export const bucket = 'jepsen-lite'

/** The text of a value: its unique id, its key, padding, and a sum over all of it, by which damage is noticed. */
export function valueWith(vid: string, key: string, padding: number): string {
  const text = `${vid} ${key} ${'.'.repeat(padding)}`
  return `${text} ${sumOf(text)}`
}

/** The id in a value that was read; of a value that nobody can have written, one that nobody has written either. */
export function vidOf(value: string): string {
  const at = value.lastIndexOf(' ')
  const text = value.slice(0, Math.max(0, at))
  return value.slice(at + 1) === sumOf(text) ? text.slice(0, text.indexOf(' ')) : `damaged: ${value.slice(0, 60)}`
}

/** FNV-1a, 32 bits. */
function sumOf(text: string): string {
  let sum = 0x811c9dc5
  for (let at = 0; at < text.length; at += 1) sum = Math.imul(sum ^ text.charCodeAt(at), 0x01000193)
  return (sum >>> 0).toString(16)
}

export function pathOf(key: string): string {
  return `/v1/kv/${bucket}/${encodeURIComponent(key)}`
}
