import type { RunScope } from '../run-scope.ts'
import type { Network } from './network.ts'
import { ProxyNetwork } from './proxy.ts'

/** What a network needs of the run it is for. */
export type NetworkScope = Pick<RunScope, 'teardown' | 'fractions'>

/** The network that `--net` names; closed at the latest when the run ends. @throws Error, with the remedy, where it cannot be */
export async function openNetwork(kind: Network['kind'], scope: NetworkScope): Promise<Network> {
  if (kind === 'netns') throw new Error('there are no namespaces yet: use --net proxy')
  const network = await ProxyNetwork.open(scope.fractions('network'))
  scope.teardown(() => network.close())
  return network
}
