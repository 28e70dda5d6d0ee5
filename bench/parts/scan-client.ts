/**
 * Scans a whole bucket, and says how many keys it was: a process of its own, so that what it takes can be seen.
 *
 * node dist/bench/parts/scan-client.js embedded|http PORTS BUCKET keys|values [milliseconds to rest after every 10,000]
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, HttpClient } from '../../lib/index.ts'

const [kind = '', ports = '', bucket = '', what = '', rest = '0'] = process.argv.slice(2)
const values = what === 'values'
const restMs = Number(rest)
const restEvery = 10_000

const database = kind === 'embedded' ? await connect(ports.split(',').map((port) => `127.0.0.1:${port}`)) : undefined
const endpoints = ports.split(',').map((port) => `http://127.0.0.1:${port}`)
/** Values take their time. */
const deadlineMs = 60_000
const scan =
  database === undefined
    ? new HttpClient({ endpoints }).list(bucket, { values, timeoutMs: deadlineMs })
    : values
      ? database.bucket(bucket).scan({ values, deadlineMs })
      : database.bucket(bucket).scan({ deadlineMs })

process.send?.('ready')
await new Promise((resolve) => process.once('message', resolve))
let count = 0
let last = ''
for await (const { key } of scan) {
  if (key <= last) throw new Error(`"${key}" stands behind "${last}"`)
  last = key
  count += 1
  if (restMs > 0 && count % restEvery === 0) await sleep(restMs)
}
process.send?.({ count, complete: scan.complete })
await new Promise((resolve) => process.once('message', resolve))
await database?.close()
process.exit(0)
