import { text } from './json-schema.ts'
import { noQuery } from './query.ts'
import { headOf, type Route } from './route.ts'
import { queryOf } from './target.ts'

const mediaType = 'text/plain; version=0.0.4; charset=utf-8'

const metrics: Route = {
  method: 'GET',
  path: '/metrics',
  operation: 'metrics',
  permission: 'observe',
  summary: 'The numbers of this node, for Prometheus.',
  query: noQuery.parameters,
  responses: { 200: { description: 'Prometheus text.', content: { 'text/plain': text('Prometheus text.') } } },
  errors: [],
  answer(exchange) {
    noQuery.read(queryOf(exchange.target))
    exchange.edge.metrics.expose((exposed) => {
      exchange.guard(() => exchange.answer('ok', 200, ['Content-Type', mediaType], exposed))
    })
  },
}

export const metricsRoutes: readonly Route[] = [metrics, headOf(metrics)]
