import { type ClientOptions, connect, endpointsOf, requestOptions } from './client-options.ts'
import { exitCode } from './exit-code.ts'
import { writeJson, writeLine } from './output.ts'
import { formatFields } from './table.ts'
import { showOrWatch, type WatchOptions } from './watch.ts'

export async function nodeStatus(options: ClientOptions & WatchOptions & { readonly check?: boolean }): Promise<void> {
  // About one node: another one's answer would be a wrong one.
  const client = connect({ ...options, endpoint: endpointsOf(options)[0] ?? '' })
  await showOrWatch(options, async () => {
    const [node, { ready, reasons }] = await Promise.all([
      client.node(requestOptions(options)),
      client.ready(requestOptions(options)),
    ])
    if (options.json) await writeJson('NodeStatus', { ...node, ready, reasons })
    else
      await writeLine(
        formatFields([
          ['name', node.name],
          ['id', node.id ?? '-'], // Null until its store is open.
          ['cluster', node.clusterId ? `${node.cluster} (${node.clusterId})` : node.cluster],
          ['state', node.state],
          ['ready', ready ? 'yes' : `no: ${reasons.join('; ')}`],
          ['http', node.http ?? '-'],
          ['peer', node.peer],
          ['zone', node.zone],
          ['weight', node.weight],
          ['version', node.version],
          ['start', node.startNumber],
          ['store', node.storeGeneration],
          ['recovering', `${node.recoveringPartitions} partitions`],
          ['clock', `${node.clockOffsetMs.toFixed(1)} ms from the members' median`],
          ['uptime', `${Math.round(node.uptimeSeconds)} s`],
          ...(node.insecure === true ? [['insecure', 'open to whoever reaches it: --insecure'] as const] : []),
        ]),
      )
    if (options.check === true && !ready) process.exitCode = exitCode.unhealthy
  })
}
