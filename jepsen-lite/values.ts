/** All keys of a run are in this bucket. */
export const bucket = 'jepsen-lite'

/** The bytes of a value: its unique id, and maybe more after a space. */
export function valueWith(vid: string, padding = 0): string {
  return padding === 0 ? vid : `${vid} ${'.'.repeat(padding)}`
}

/** The id in a value that was read. */
export function vidOf(value: string): string {
  const end = value.indexOf(' ')
  return end < 0 ? value : value.slice(0, end)
}

export function pathOf(key: string): string {
  return `/v1/kv/${bucket}/${encodeURIComponent(key)}`
}
