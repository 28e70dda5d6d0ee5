// A program with flags, and a cluster of three simulated nodes that goes away under it:
//   node dist/examples/feature-flags/story.js
import { simulateCluster } from 'starling-kv/testing'
import { Flags, prepareFlags, setFlag } from './flags.ts'

const cluster = await simulateCluster({ nodes: 3, seed: 1 })
const operator = cluster.database('ada')
await prepareFlags(operator)
await cluster.run(5_000) // Properties are in force at every node within that.

const flags = new Flags(cluster.database('bob', { deadlineMs: 1_000 }), {
  defaults: { 'new-checkout': false, search: true },
  onChange: (name, flag) => console.log(`  heard: ${name} is ${JSON.stringify(flag)}`),
  onProblem: (error) => console.log(`  ${(error as { readonly code?: string }).code}: the last answers hold`),
})
tell('before anybody was asked')
await flags.refresh()
tell('nobody has set anything')
await setFlag(operator, 'new-checkout', { on: true, percent: 30 })
await flags.refresh()
tell('new-checkout is on for 30 %')

for (const node of cluster.names) await cluster.crash(node)
console.log('all nodes are gone')
await flags.refresh()
tell('with no cluster at all')
for (const node of cluster.names) await cluster.restart(node)
console.log('all nodes are back')
await setFlag(operator, 'new-checkout', { on: false })
await setFlag(operator, 'search', { on: false })
await flags.refresh()
tell('everything is switched off')
await cluster.close()

function tell(when: string): void {
  const users = Array.from({ length: 1_000 }, (_, number) => `user-${number}`)
  const count = users.filter((user) => flags.isOn('new-checkout', user)).length
  console.log(`${when}: new-checkout for ${count} of 1000 users, search ${flags.isOn('search') ? 'on' : 'off'}`)
}
