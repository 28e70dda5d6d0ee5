import type { Recorder } from '../workload.ts'

/** What the clients of one run share, such as the keys in use: made when the first of them asks. */
export class Shared<Value> {
  readonly #make: () => Value
  readonly #values = new WeakMap<Recorder, Value>()

  constructor(make: () => Value) {
    this.#make = make
  }

  /** @param recorder names the run: it has one */
  of(recorder: Recorder): Value {
    let value = this.#values.get(recorder)
    if (value === undefined) {
      value = this.#make()
      this.#values.set(recorder, value)
    }
    return value
  }
}
