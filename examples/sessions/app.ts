import cookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import fastify, { type FastifyInstance } from 'fastify'
import type { Database } from 'starling-kv'
import { StarlingSessionStore } from './session-store.ts'

declare module 'fastify' {
  interface Session {
    name?: string
    visits?: number
  }
}

/** A site that knows its visitors. Any number of processes may run it, with one secret and one cluster. */
export async function site(db: Database, secret: string): Promise<FastifyInstance> {
  const app = fastify()
  const ttlSeconds = 3_600
  await app.register(cookie)
  await app.register(fastifySession, {
    secret,
    store: new StarlingSessionStore(db, { ttlSeconds }),
    saveUninitialized: false,
    cookie: { secure: false, maxAge: ttlSeconds * 1000 },
  })
  app.post<{ Params: { name: string } }>('/login/:name', async (request) => {
    await request.session.regenerate()
    request.session.name = request.params.name
    return `hello ${request.params.name}`
  })
  app.get('/', async ({ session }) => {
    if (session.name === undefined) return 'hello stranger'
    session.visits = (session.visits ?? 0) + 1
    return `hello ${session.name}, for the ${session.visits}. time`
  })
  app.post('/logout', async ({ session }) => {
    await session.destroy()
    return 'goodbye'
  })
  return app
}
