/**
 * What the floor itself is measured against: one process of fastify and level, without any replication.
 *
 * node single.js '{"http": 7070, "data": "dir"}'
 */
import { BatchedLevel } from './batched-level.ts'
import { endWithParent } from './end-with-parent.ts'
import { createHttpFront } from './http-front.ts'

const settings = JSON.parse(process.argv[2] ?? '') as { readonly http: number; readonly data: string }
const level = await BatchedLevel.open(settings.data)
const front = createHttpFront({
  put: (key, value, done) => level.put(key, value, done),
  get: (key, done) => done(level.get(key)),
})
await front.listen({ port: settings.http, host: '127.0.0.1' })
endWithParent(() => level.close())
console.log('ready')
