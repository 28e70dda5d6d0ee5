/**
 * What the floor itself is measured against: one process of fastify and level as their manuals write it, one put or get
 * of the store for each request, without any replication.
 *
 * node single.js '{"http": 7070, "data": "dir"}'
 */
import { Level } from 'level'
import { levelSettings } from './batched-level.ts'
import { endWithParent } from './end-with-parent.ts'
import { createHttpFront } from './http-front.ts'

const settings = JSON.parse(process.argv[2] ?? '') as { readonly http: number; readonly data: string }
const level = new Level<string, Uint8Array>(settings.data, levelSettings)
await level.open()
// A failure ends the process, and with it the run.
const front = createHttpFront({
  put: (key, value, done) => void level.put(key, value).then(done),
  get: (key, done) => void level.get(key).then(done),
})
await front.listen({ port: settings.http, host: '127.0.0.1' })
endWithParent(() => level.close())
console.log('ready')
