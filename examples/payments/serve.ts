// One payment service in a process of its own:
//   node dist/examples/payments/serve.js --peers HOST:PORT,... --gateway URL [--port N] [--gateway-memory SECONDS]
import { parseArgs } from 'node:util'
import { connect } from 'starling-kv'
import { HttpGateway } from './gateway.ts'
import { paymentService } from './service.ts'

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '127.0.0.1:7071' },
    gateway: { type: 'string', default: 'http://127.0.0.1:9090' },
    port: { type: 'string', default: '8080' },
    'gateway-memory': { type: 'string', default: '86400' },
    'sweep-every': { type: 'string', default: '5' },
  },
})

// Whatever one request was acknowledged, every other finds at a majority of owners: there is no need of a session.
const db = await connect(values.peers.split(','), { session: false })
const app = paymentService(db, new HttpGateway(values.gateway), {
  gatewayMemoryMs: Number(values['gateway-memory']) * 1000,
  sweepEveryMs: Number(values['sweep-every']) * 1000,
})
const url = await app.listen({ host: '127.0.0.1', port: Number(values.port) })
process.stdout.write(`${JSON.stringify({ url, pid: process.pid })}\n`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void app.close().then(() => db.close()))
}
