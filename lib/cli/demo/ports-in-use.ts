import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import type { DemoNode } from './demo-node.ts'

const host = '127.0.0.1'

/** The addresses of `nodes` where something listens already, in words. */
export async function portsInUse(nodes: readonly DemoNode[]): Promise<readonly string[]> {
  const checks = nodes.flatMap(({ httpPort, peerPort }) => [
    takenBy('TCP', httpPort, tryTcp),
    takenBy('TCP', peerPort, tryTcp),
    takenBy('UDP', peerPort, tryUdp),
  ])
  return (await Promise.all(checks)).filter((taken) => taken !== undefined)
}

async function takenBy(
  kind: string,
  port: number,
  attempt: (port: number) => Promise<void>,
): Promise<string | undefined> {
  try {
    await attempt(port)
    return undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return `${kind} ${host}:${port}${code === 'EADDRINUSE' ? '' : ` (${code})`}`
  }
}

function tryTcp(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()))
  })
}

function tryUdp(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    socket.once('error', reject)
    socket.bind({ address: host, port, exclusive: true }, () => socket.close(() => resolve()))
  })
}
