/** Something that reads bytes from outside. */
export interface Target {
  readonly name: string
  /** What is read, and what must hold of it whatever the bytes are. */
  readonly summary: string
  /** Inputs as they really come, to begin with. The same ones every time. */
  readonly seeds: () => readonly Uint8Array[]
  /** What inputs are often made of. */
  readonly words?: readonly string[]
  /** Makes good what stands over the rest of an input, such as a checksum: without it nothing behind it would be reached. */
  readonly repair?: (input: Uint8Array) => Uint8Array
  readonly bytesMax: number
  /** Functions begun and rounds of loops that an input of no length may take, and how many more for each byte. */
  readonly stepsMax: { readonly base: number; readonly each: number }
  /** It is read by whole nodes: a thousand times as slow as a codec. */
  readonly isOfNodes?: true
  /** What is given in every run of the tests. */
  readonly inputsInTests: number
  readonly open: () => Trial | Promise<Trial>
}

/** One target, ready to be fed. */
export interface Trial {
  /** Reads the input, and throws (or rejects) if the promise of the target is broken. */
  readonly run: (input: Uint8Array) => void | Promise<void>
  readonly close?: () => void | Promise<void>
}

/** A promise that was broken, when nothing was thrown. */
export class Broken extends Error {
  constructor(promise: string) {
    super(promise)
    this.name = 'Broken'
  }
}

export function must(holds: boolean, promise: string): asserts holds {
  if (!holds) throw new Broken(promise)
}

type Refusal = abstract new (...parts: never[]) => Error

/** What `read` gives; undefined when it refuses as it may. Whatever else it throws is a finding. */
export function unlessRefused<Read>(refusals: readonly Refusal[], read: () => Read): Read | undefined {
  try {
    return read()
  } catch (error) {
    if (refusals.some((refusal) => error instanceof refusal)) return undefined
    throw error
  }
}
