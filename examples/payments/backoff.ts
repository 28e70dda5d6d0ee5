/**
 * Milliseconds to wait before the next try: anything up to a bound that doubles with each try. Callers that failed
 * together do not come back together.
 *
 * @param triesBefore how many have failed, from 1
 */
export function backoffMs(triesBefore: number, firstMsMax: number, msMax: number, chance = Math.random): number {
  return Math.ceil(chance() * Math.min(msMax, firstMsMax * 2 ** (triesBefore - 1)))
}
