import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

/** A process that takes whatever comes and does nothing with it. Says its port, and ends with its parent. */
if (process.argv[2] === 'sink') {
  process.on('disconnect', () => process.exit(0))
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.resume()
  })
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as { readonly port: number }
    const datagrams = createSocket('udp4')
    datagrams.on('message', () => undefined)
    datagrams.bind(port, '127.0.0.1', () => process.send?.({ port }))
  })
}
