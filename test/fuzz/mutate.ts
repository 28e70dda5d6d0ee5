import type { Random } from '../../lib/vocabulary/random.ts'

const runBytesMax = 32
const changesLogMax = 3
const encoder = new TextEncoder()

/** Where numbers and lengths change their form, or wrap. */
const notable: readonly (readonly number[])[] = [
  [0],
  [1],
  [0x7f],
  [0x80],
  [0xff],
  [0x80, 0x01],
  [0xff, 0x7f],
  [0xff, 0xff],
  [0x00, 0x00],
  [0x7f, 0xff, 0xff, 0xff],
  [0x80, 0x00, 0x00, 0x00],
  [0xff, 0xff, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x43, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
]

/** Makes inputs of inputs. The same chance makes the same ones. */
export class Mutator {
  readonly #random: Random
  readonly #words: readonly Uint8Array[]
  readonly #bytesMax: number

  constructor(random: Random, words: readonly string[], bytesMax: number) {
    this.#random = random
    this.#words = [...notable.map((bytes) => Uint8Array.from(bytes)), ...words.map((word) => encoder.encode(word))]
    this.#bytesMax = bytesMax
  }

  /** `input`, changed once or up to eight times; sometimes grown together with a part of `other`. */
  mutate(input: Uint8Array, other: Uint8Array): Uint8Array {
    let bytes = input
    const changes = 1 << this.#random.below(changesLogMax + 1)
    for (let change = 0; change < changes; change += 1) bytes = this.#change(bytes, other)
    return bytes.length > this.#bytesMax ? bytes.subarray(0, this.#bytesMax) : bytes
  }

  #change(bytes: Uint8Array, other: Uint8Array): Uint8Array {
    const random = this.#random
    const at = random.below(bytes.length + 1)
    switch (random.below(12)) {
      case 0:
      case 1:
        return put(bytes, at, [(bytes[at] ?? 0) ^ (1 << random.below(8))])
      case 2:
        return put(bytes, at, [random.below(256)])
      case 3:
        return put(bytes, at, [(bytes[at] ?? 0) + random.below(35) - 17])
      case 4:
        return splice(bytes, at, this.#length(bytes.length - at), [])
      case 5:
        return splice(bytes, at, 0, this.#noise())
      case 6:
        return put(bytes, at, this.#word())
      case 7:
        return splice(bytes, at, 0, this.#word())
      case 8:
        return splice(bytes, at, 0, this.#piece(bytes))
      case 9:
        return put(bytes, at, this.#piece(bytes))
      case 10:
        return splice(bytes, at, random.below(2) === 0 ? 0 : this.#length(bytes.length - at), this.#piece(other))
      default:
        return this.#joined(bytes, other)
    }
  }

  /** The beginning of one and the end of the other; now and then just a beginning. */
  #joined(bytes: Uint8Array, other: Uint8Array): Uint8Array {
    const head = bytes.subarray(0, this.#random.below(bytes.length + 1))
    if (this.#random.below(3) === 0) return head
    return joined(head, other.subarray(this.#random.below(other.length + 1)))
  }

  #word(): Uint8Array {
    return this.#words[this.#random.below(this.#words.length)] as Uint8Array
  }

  #noise(): Uint8Array {
    return Uint8Array.from({ length: 1 + this.#random.below(8) }, () => this.#random.below(256))
  }

  #piece(of: Uint8Array): Uint8Array {
    const from = this.#random.below(of.length + 1)
    return of.subarray(from, from + this.#length(of.length - from))
  }

  /** Mostly short, sometimes all there is. */
  #length(most: number): number {
    if (most <= 0) return 0
    return this.#random.below(8) === 0 ? most : 1 + this.#random.below(Math.min(most, runBytesMax))
  }
}

/** Over what is there, and beyond its end if need be. */
function put(bytes: Uint8Array, at: number, piece: ArrayLike<number>): Uint8Array {
  const changed = new Uint8Array(Math.max(bytes.length, at + piece.length))
  changed.set(bytes)
  changed.set(piece, at)
  return changed
}

function splice(bytes: Uint8Array, at: number, removed: number, piece: ArrayLike<number>): Uint8Array {
  const changed = new Uint8Array(bytes.length - removed + piece.length)
  changed.set(bytes.subarray(0, at))
  changed.set(piece, at)
  changed.set(bytes.subarray(at + removed), at + piece.length)
  return changed
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  return splice(one, one.length, 0, other)
}
