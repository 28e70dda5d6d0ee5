import type { NodeProbe } from '../../test/checkers/history.ts'
import { metric } from '../nemeses/wholeness.ts'
import type { Member } from './member.ts'

const repairCounters = ['starling_read_repairs_total', 'starling_anti_entropy_keys_repaired_total']

/** What a node tells of itself, for the checks of what must be over in the end. @throws Error while it does not answer */
export async function probeOf(member: Member): Promise<NodeProbe> {
  const [status, view] = await Promise.all([member.json('/v1/cluster/status'), member.json('/v1/cluster/hints')])
  const { held, hints } = view as unknown as {
    readonly held: { readonly count: number }
    readonly hints: readonly { readonly name: string; readonly count: number }[]
  }
  const repairs = await Promise.all(repairCounters.map((name) => metric(member, name)))
  if (repairs.includes(undefined)) throw new Error(`${member.name} does not tell its metrics`)
  return {
    hints: held.count,
    hintsFor: Object.fromEntries(hints.map(({ name, count }) => [name, count])),
    repairs: repairs.reduce<number>((sum, count) => sum + (count ?? 0), 0),
    epoch: (status.layout as { readonly number: number }).number,
  }
}
