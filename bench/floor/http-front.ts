import fastify, { type FastifyInstance } from 'fastify'

export interface Store {
  put(key: string, value: Uint8Array, done: () => void): void
  get(key: string, done: (value: Uint8Array | undefined) => void): void
}

/** PUT and GET of raw bytes under /kv/{key}: fastify with no logger, hook, schema or promise. */
export function createHttpFront(store: Store): FastifyInstance {
  const app = fastify({ logger: false })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.put<{ Params: { key: string }; Body: Buffer }>('/kv/:key', (request, reply) => {
    store.put(request.params.key, request.body, () => reply.code(204).send())
  })
  app.get<{ Params: { key: string } }>('/kv/:key', (request, reply) => {
    store.get(request.params.key, (value) => {
      if (value === undefined) reply.code(404).send()
      else reply.type('application/octet-stream').send(value)
    })
  })
  return app
}
