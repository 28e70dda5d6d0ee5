import { Child } from './child.ts'
import { freePorts } from './free-ports.ts'
import { type Place, programAt, type System } from './system.ts'

/** Processes of bench/floor/node.ts. */
export async function startFloor(place: Place, started: (child: Child) => void): Promise<System> {
  const { nodeCount = 3, durability = 'os', directory } = place
  const ports = await freePorts(2 * nodeCount)
  const http = ports.slice(0, nodeCount)
  const peers = ports.slice(nodeCount)
  const children = http.map((port, node) => {
    const name = `n${node + 1}`
    const settings = { node, http: port, peers, data: `${directory}/${name}`, durability }
    const words = [...place.nodeFlags, programAt('bench/floor/node.js'), JSON.stringify(settings)]
    return new Child(words, `${directory}/${name}.log`)
  })
  children.forEach(started)
  for (const child of children) await child.until((output) => output.includes('ready'))
  return {
    name: 'floor',
    children,
    targets: { http: { type: 'http', ports: http, path: '/kv/' }, binary: { type: 'floor', ports: peers } },
  }
}

/** One process of bench/floor/single.ts. */
export async function startSingle(place: Place, started: (child: Child) => void): Promise<System> {
  const [port = 0] = await freePorts(1)
  const settings = JSON.stringify({ http: port, data: `${place.directory}/data` })
  const child = new Child(
    [...place.nodeFlags, programAt('bench/floor/single.js'), settings],
    `${place.directory}/single.log`,
  )
  started(child)
  await child.until((output) => output.includes('ready'))
  return { name: 'single', children: [child], targets: { http: { type: 'http', ports: [port], path: '/kv/' } } }
}
