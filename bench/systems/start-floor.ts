import { Child } from './child.ts'
import { freePorts } from './free-ports.ts'
import { type Place, programAt, type System } from './system.ts'

/** Three processes of bench/floor/node.ts. */
export async function startFloor(place: Place, started: (child: Child) => void): Promise<System> {
  const ports = await freePorts(6)
  const http = ports.slice(0, 3)
  const peer = ports.slice(3)
  const children = http.map((port, index) => {
    const settings = {
      node: index + 1,
      http: port,
      peer: peer[index],
      // The next node first: it is the one that reads are shared with.
      others: [peer[(index + 1) % 3], peer[(index + 2) % 3]],
      data: `${place.directory}/n${index + 1}`,
    }
    const words = [...place.nodeFlags, programAt('bench/floor/node.js'), JSON.stringify(settings)]
    return new Child(words, `${place.directory}/n${index + 1}.log`)
  })
  children.forEach(started)
  for (const child of children) await child.until((output) => output.includes('ready'))
  return {
    name: 'floor',
    children,
    targets: { http: { type: 'http', ports: http, path: '/kv/' }, binary: { type: 'floor', ports: peer } },
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
