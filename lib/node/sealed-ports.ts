import type { Ports } from '../ports/ports.ts'
import type { Dropped, SealProblem } from '../security/datagram-opener.ts'
import type { Keyring } from '../security/keyring.ts'
import { SealedDatagrams } from '../security/sealed-datagrams.ts'
import type { Endpoint } from '../vocabulary/ids.ts'
import type { NodeMetrics } from './node-metrics.ts'
import { OccasionalLog } from './occasional-log.ts'

/** The same ports, with datagrams that are sealed with the secret; what does not open is counted, and told now and then. */
export function withSealedDatagrams(
  ports: Ports,
  metrics: NodeMetrics,
  secret: { readonly keyring: Keyring; readonly cluster: string },
): Ports {
  const strangers = new OccasionalLog(ports.time, ports.log)
  const { time, cryptography } = ports
  const datagrams = new SealedDatagrams(ports.datagrams, {
    ...secret,
    cryptography,
    nowMs: () => time.nowMs(),
    onDropped: (dropped, from) => {
      metrics.datagramsDropped(dropped.reason).add(1)
      tell(strangers, dropped, from)
    },
  })
  return { ...ports, datagrams }
}

function tell(strangers: OccasionalLog, { reason, keyId, cutOffMs }: Dropped, from: Endpoint): void {
  if (cutOffMs !== undefined) {
    strangers.warn(
      'datagrams cut-off',
      { from, forMs: cutOffMs },
      'an address sends what no member sends: until it stops, only members that are known are listened to from there',
    )
  }
  const message = messages[reason]
  if (message !== undefined)
    strangers.warn(`datagrams ${reason}`, { from, ...(keyId === undefined ? {} : { keyId }) }, message)
}

/** Of what an open port hears from anybody nothing is said. */
const messages: Readonly<Partial<Record<SealProblem, string>>> = {
  plain: 'a datagram was dropped that is not sealed: its sender has no --secret-file, and this node has one',
  'wrong-cluster': 'a datagram of a cluster with another name was dropped',
  'unknown-key':
    'a datagram was dropped that is sealed with a key which this node does not have: another secret, or one that was changed elsewhere',
  replayed: 'a datagram was dropped that had come before: the network doubles them, or somebody repeats them',
  damaged: 'a datagram was dropped that is not as it was sealed: somebody changed it or made it up',
}
