import { docsPage, docsStyle } from './docs-page.ts'
import type { Exchange, HeaderList } from './exchange.ts'
import { type JsonSchema, text } from './json-schema.ts'
import { openApiOf } from './openapi.ts'
import { noQuery } from './query.ts'
import { headOf, type Route } from './route.ts'
import { queryOf } from './target.ts'

/** Nothing but its own style sheet: no script, no image, nobody else's page around it. */
const pagePolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const pageHeaders: HeaderList = [
  'Content-Security-Policy',
  pagePolicy,
  // What the policy says of frames, for browsers that do not know it.
  'X-Frame-Options',
  'DENY',
  'Referrer-Policy',
  'no-referrer',
  'Cross-Origin-Opener-Policy',
  'same-origin',
]

/** The document of `routes` (asked when somebody reads it, for it contains these routes too) and a page made of it. */
export function documentationRoutes(routes: () => readonly Route[]): readonly Route[] {
  const openApi = documentRoute(
    '/openapi.json',
    'openapi',
    'This document, OpenAPI 3.1.',
    'application/json',
    { type: 'object', description: 'OpenAPI 3.1.' },
    () => JSON.stringify(openApiOf(routes())),
  )
  const page = documentRoute('/docs', 'docs', 'The same, for people.', 'text/html; charset=utf-8', text('HTML.'), () =>
    docsPage(openApiOf(routes())),
  )
  const style = documentRoute(
    '/docs/style.css',
    'docs-style',
    'The style of that page.',
    'text/css',
    text('CSS.'),
    () => docsStyle,
  )
  return [openApi, headOf(openApi), page, headOf(page), style, headOf(style)]
}

function documentRoute(
  path: string,
  operation: string,
  summary: string,
  contentType: string,
  schema: JsonSchema,
  make: () => string,
): Route {
  let made: Buffer | undefined
  return {
    method: 'GET',
    path,
    operation,
    permission: { open: 'it says the same of every node of this version, and nothing of this one' },
    countedAs: 'docs',
    summary,
    query: noQuery.parameters,
    responses: {
      200: { description: summary, content: { [contentType.split(';')[0] as string]: schema } },
    },
    errors: [],
    answer(exchange: Exchange) {
      noQuery.read(queryOf(exchange.target))
      made ??= Buffer.from(make())
      const headers: HeaderList = ['Content-Type', contentType, ...pageHeaders]
      exchange.answer('ok', 200, headers, made)
    },
  }
}
