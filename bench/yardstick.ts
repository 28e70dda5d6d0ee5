/** How many pieces of work one look at the yardstick takes: about a twentieth of a second. */
const pieces = 5000
const keyCount = 4096
const bodyBytes = 1024
const headBytes = 16

/**
 * A piece of fixed JavaScript work, of the kind that a database of this sort consists of: make a key, hash it, look it up,
 * put a header in front of a kibibyte and read that again. How long it takes says how fast this machine runs JavaScript at this
 * moment; costs counted in yardsticks can be compared across machines and days. It never changes: another piece of work would
 * be another unit.
 */
export class Yardstick {
  readonly #body = Buffer.alloc(bodyBytes, 'starling')
  readonly #entries = new Map<string, { hash: number; seen: number }>()
  #next = 0

  constructor() {
    // Until everything is compiled.
    for (let round = 0; round < 5; round += 1) this.microseconds()
  }

  /** CPU time of one piece, at this moment. */
  microseconds(): number {
    const before = process.cpuUsage()
    let sum = 0
    for (let piece = 0; piece < pieces; piece += 1) sum += this.#work()
    const { user, system } = process.cpuUsage(before)
    if (!(sum > 0)) throw new Error('the yardstick did no work')
    return (user + system) / pieces
  }

  #work(): number {
    this.#next = (this.#next + 61) % keyCount
    const key = `key-${this.#next.toString().padStart(8, '0')}`
    let hash = 0x811c9dc5
    for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      entry = { hash, seen: 0 }
      this.#entries.set(key, entry)
    }
    entry.seen += 1
    const record = Buffer.allocUnsafe(headBytes + bodyBytes)
    record.writeUInt32BE(hash >>> 0, 0)
    record.writeUInt32BE(entry.seen, 4)
    record.writeUInt32BE(bodyBytes, 8)
    record.writeUInt32BE(key.length, 12)
    record.set(this.#body, headBytes)
    let checksum = record.readUInt32BE(0)
    for (let at = headBytes; at < record.length; at += 4)
      checksum = Math.imul(checksum ^ (record[at] as number), 0x01000193)
    return checksum >>> 0
  }
}
