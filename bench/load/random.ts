/** Uniform fractions in [0, 1) that a seed repeats: sfc32 of Chris Doty-Humphrey. */
export type Fractions = () => number

export function seededFractions(seed: number): Fractions {
  let a = 0x9e3779b9
  let b = 0x243f6a88
  let c = seed >>> 0
  let counter = 1
  const next = (): number => {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    return (sum >>> 0) / 2 ** 32
  }
  // The first draws still resemble the seed.
  for (let round = 0; round < 12; round += 1) next()
  return next
}
