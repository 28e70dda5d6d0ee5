import type { RunScope } from '../run-scope.ts'
import { NamespaceNetwork } from './namespaces.ts'
import type { Network } from './network.ts'
import { ProxyNetwork } from './proxy.ts'

/** What a network needs of the run it is for. */
export type NetworkScope = Pick<RunScope, 'teardown' | 'fractions'>

/** The network that `--net` names; closed at the latest when the run ends. @throws Error, with the remedy, where it cannot be */
export async function openNetwork(kind: Network['kind'], scope: NetworkScope): Promise<Network> {
  const network = kind === 'netns' ? await NamespaceNetwork.open() : await ProxyNetwork.open(scope.fractions('network'))
  scope.teardown(() => network.close())
  return network
}
