import type { Arbitrary } from 'fast-check'
import fc from '../../fixtures/fast-check.ts'

/** So many of what the properties of a codec are tested with; the same ones every time. */
export function samplesOf<Value>(values: Arbitrary<Value>, count = 40): readonly Value[] {
  return fc.sample(values, { numRuns: count, seed: 4711 })
}
