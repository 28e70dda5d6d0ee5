// A visitor of a site that runs in two processes, three nodes below them, one of which dies:
//   node dist/examples/sessions/story.js

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { FastifyInstance } from 'fastify'
import { connect, type RunningNode, startNode } from 'starling-kv'
import { site } from './app.ts'

const directory = mkdtempSync(`${tmpdir()}/starling-sessions-`)
const ada = await node('ada')
const bob = await node('bob', ada.peer)
const cyd = await node('cyd', ada.peer)
const databases = [await connect([ada.peer, bob.peer]), await connect([bob.peer, cyd.peer])]
const [east, west] = (await Promise.all(databases.map((db) => site(db, 'a secret of thirty-two characters')))) as [
  FastifyInstance,
  FastifyInstance,
]
let jar = ''
try {
  await visit('east', east, 'GET', '/')
  await visit('east', east, 'POST', '/login/eve')
  await visit('west', west, 'GET', '/')
  await visit('east', east, 'GET', '/')
  await cyd.stop()
  console.log('a node of the cluster is gone')
  await visit('west', west, 'GET', '/')
  const stolen = jar
  await visit('east', east, 'POST', '/logout')
  jar = stolen
  await visit('west', west, 'GET', '/')
} finally {
  await Promise.all([east.close(), west.close()])
  await Promise.all(databases.map((db) => db.close()))
  await Promise.all([ada, bob, cyd].map((one) => one.stop()))
  rmSync(directory, { recursive: true, force: true })
}

async function visit(name: string, app: FastifyInstance, method: 'GET' | 'POST', url: string): Promise<void> {
  const answer = await app.inject({ method, url, headers: jar === '' ? {} : { cookie: jar } })
  const [set] = answer.cookies
  if (set !== undefined) jar = `${set.name}=${encodeURIComponent(set.value)}`
  console.log(`${name} ${method} ${url}: ${answer.body}`)
}

function node(name: string, seed?: string): Promise<RunningNode> {
  const join = seed === undefined ? [] : [seed]
  return startNode({ name, data: `${directory}/${name}`, peer: '127.0.0.1:0', join, expect: 3, logLevel: 'error' })
}
