import { Child } from './child.ts'
import { freePorts } from './free-ports.ts'
import { type Place, programAt, type System } from './system.ts'

const bucket = 'bench'

/** Three processes of `starling start` with its defaults, as anybody would run them. */
export async function startStarling(place: Place, started: (child: Child) => void): Promise<System> {
  const ports = await freePorts(6)
  const http = ports.slice(0, 3)
  const peer = ports.slice(3)
  const children = http.map((port, index) => {
    const name = `n${index + 1}`
    const own = `127.0.0.1:${peer[index]}`
    const join = peer.filter((other) => other !== peer[index]).map((other) => `127.0.0.1:${other}`)
    const words = ['start', '--name', name, '--http', `127.0.0.1:${port}`, '--peer', own]
    words.push('--data', `${place.directory}/${name}`, '--join', join.join(','), '--expect', '3')
    words.push(...(place.words ?? []))
    return new Child(
      [...place.nodeFlags, programAt('bin/starling.js', place.build), ...words],
      `${place.directory}/${name}.log`,
    )
  })
  children.forEach(started)
  for (const [index, child] of children.entries()) {
    await child.until(() => isSettled(`http://127.0.0.1:${http[index]}`))
  }
  return {
    name: place.build === undefined ? 'starling' : 'against',
    children,
    targets: {
      http: { type: 'http', ports: http, path: `/v1/kv/${bucket}/` },
      binary: { type: 'embedded', ports: peer, bucket, library: programAt('lib/index.js', place.build) },
    },
  }
}

interface ClusterStatus {
  readonly converged: boolean
  readonly members: readonly { readonly state: string }[]
}

async function isSettled(endpoint: string): Promise<boolean> {
  try {
    const ready = await fetch(`${endpoint}/readyz`)
    await ready.arrayBuffer()
    if (!ready.ok) return false
    const status = (await (await fetch(`${endpoint}/v1/cluster/status`)).json()) as ClusterStatus
    return status.converged && status.members.filter(({ state }) => state === 'alive').length === 3
  } catch {
    return false
  }
}
