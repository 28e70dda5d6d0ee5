import type { RunScope } from '../run-scope.ts'
import { Loopback } from './loopback.ts'
import type { Network } from './network.ts'

/** The network that `--net` names; closed at the latest when the run ends. @throws Error, with the remedy, where it cannot be */
export async function openNetwork(kind: Network['kind'], _scope: RunScope): Promise<Network> {
  if (kind === 'netns') throw new Error('there are no namespaces yet: use --net proxy')
  return new Loopback()
}
