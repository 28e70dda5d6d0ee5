import { checkNewToken, expiresInSecondsMax } from '../security/new-token.ts'
import { type Principal, roles } from '../security/principal.ts'
import { permissionsOf } from '../security/rights.ts'
import { formatScope } from '../security/scope-text.ts'
import { refusalOf } from '../security/token-authority.ts'
import type { TokenEntry } from '../security/token-map.ts'
import { InvalidBody } from '../vocabulary/errors.ts'
import { checkFields, jsonBodyErrors, readJsonBody } from './json-body.ts'
import {
  array,
  boolean,
  integer,
  type JsonSchema,
  nullable,
  number,
  object,
  oneOfWords,
  optional,
  text,
} from './json-schema.ts'
import { answerJsonOf } from './node-answer.ts'
import { timeoutParameter } from './parameters.ts'
import { noQuery, QueryReader } from './query.ts'
import { headOf, type Route } from './route.ts'
import { queryOf, tokenIdOf } from './target.ts'

const query = new QueryReader({ timeout: timeoutParameter })

const name = text('What it is for: 1 to 64 characters.')
const role = oneOfWords('What its bearer may do.', roles)
const scopesText = 'BUCKET, PREFIX* or BUCKET/KEYPREFIX each; 32 at most.'
const scopes: JsonSchema = array(`The data it is good for: ${scopesText}`, text('One part of the data.'))
const nullableScopes: JsonSchema = { ...nullable(scopes), description: 'The data it is good for; null: all.' }

const tokenFields = {
  id: text('Twelve hexadecimal digits; its text begins with starling_ and them.'),
  name,
  role,
  scopes: nullableScopes,
  createdAt: text('When it was made.', { format: 'date-time' }),
  createdBy: nullable(text('The id of whoever asked for it; null: nobody was asked who they are.')),
  expiresAt: nullable(text('Until when it is good; null: for ever.', { format: 'date-time' })),
  revokedAt: nullable(text('When it was revoked.', { format: 'date-time' })),
  state: oneOfWords('Whether it is good now.', ['in-force', 'expired', 'revoked']),
}

const serving = ['no-layout', 'draining', 'storage-failed'] as const
const changing = ['quorum-unavailable', 'clock-skew', 'deadline-exceeded', 'precondition-failed'] as const

const create: Route = {
  method: 'POST',
  path: '/v1/tokens',
  operation: 'create-token',
  permission: 'administer',
  summary: 'Make a token.',
  description:
    'Good at this node at once, and at every node within 5 seconds. Its text is told in this answer and never again: what is kept is its hash. It can have no more rights than the token of whoever asks, and lives no longer.',
  query: query.parameters,
  takesJson: object('The token to be made.', {
    name,
    role,
    scopes: optional({ ...scopes, description: `The data it is to be good for: ${scopesText} Left out: all.` }),
    expiresInSeconds: optional(
      integer('How long it is to be good; left out: for ever.', { minimum: 1, maximum: expiresInSecondsMax }),
    ),
  }),
  responses: {
    200: {
      description: 'The token.',
      content: {
        'application/json': object('The token.', {
          token: text('What its bearer shows: Authorization: Bearer TOKEN.'),
          ...tokenFields,
        }),
      },
    },
  },
  errors: [...serving, ...jsonBodyErrors, ...changing],
  answer(exchange) {
    const { timeout } = query.read(queryOf(exchange.target))
    readJsonBody(exchange, (body) => {
      if (body === undefined) throw new InvalidBody('the body is empty', { hint: 'Send {"name": ..., "role": ...}.' })
      checkFields(body, ['name', 'role', 'scopes', 'expiresInSeconds'])
      const order = checkNewToken(body)
      exchange.audited?.tell({ ...order, scopes: order.scopes?.map(formatScope) })
      exchange.aftermathOfBugs = 'may-have-changed'
      exchange.edge.node.createToken(
        order,
        exchange.principal,
        timeout,
        answerJsonOf(exchange, (created) => {
          exchange.audited?.tell({ token: created.token.id })
          return { token: created.text, ...viewToken(created.token) }
        }),
      )
    })
  },
}

const list: Route = {
  method: 'GET',
  path: '/v1/tokens',
  operation: 'tokens',
  permission: 'administer',
  summary: 'The tokens that the cluster has made.',
  description:
    'The newest first; of what their bearers show not a word. Those that were revoked or have expired stay in the list for a week. Tokens of a token file are not in it: they belong to one node.',
  query: query.parameters,
  responses: {
    200: {
      description: 'The tokens.',
      content: {
        'application/json': object('The tokens.', {
          tokens: array('The newest first.', object('One token.', tokenFields)),
          knownSecondsAgo: nullable(
            number(
              '0: all that a quorum knows. Else none answered, and the node knew this then; null: before its start.',
            ),
          ),
        }),
      },
    },
  },
  errors: serving,
  answer(exchange) {
    const { timeout } = query.read(queryOf(exchange.target))
    exchange.edge.node.listTokens(
      timeout,
      answerJsonOf(exchange, ({ tokens, knownSecondsAgo }) => ({ tokens: tokens.map(viewToken), knownSecondsAgo })),
    )
  },
}

const revoke: Route = {
  method: 'DELETE',
  path: '/v1/tokens/{id}',
  operation: 'revoke-token',
  permission: 'administer',
  summary: 'Revoke a token, for good.',
  description: 'Refused at this node at once, and at every node that can read a quorum within 5 seconds.',
  query: query.parameters,
  responses: {
    200: {
      description: 'The token, which is good for nothing any more.',
      content: { 'application/json': object('The token.', tokenFields) },
    },
  },
  errors: [...serving, 'not-found', ...changing],
  answer(exchange) {
    const { timeout } = query.read(queryOf(exchange.target))
    const id = tokenIdOf(exchange.target)
    exchange.audited?.tell({ token: id })
    exchange.aftermathOfBugs = 'may-have-changed'
    exchange.edge.node.revokeToken(id, timeout, answerJsonOf(exchange, viewToken))
  },
}

const whoami: Route = {
  method: 'GET',
  path: '/v1/whoami',
  operation: 'whoami',
  permission: 'present',
  summary: 'Who asks, as this node sees it, and what they may do.',
  query: noQuery.parameters,
  responses: {
    200: {
      description: 'Who asks.',
      content: {
        'application/json': object('Who asks.', {
          isAsked: boolean('False: this node asks nobody who they are, and everybody may do everything.'),
          id: nullable(text('Of the token or the certificate.')),
          name: nullable(text('What it is called.')),
          role: nullable(text('read, write, operator or admin.')),
          scopes: nullableScopes,
          expiresAt: nullable(text('Until when it is good; null: for ever.', { format: 'date-time' })),
          may: array('What the role is good for.', text('A permission.')),
        }),
      },
    },
  },
  errors: [],
  answer(exchange) {
    noQuery.read(queryOf(exchange.target))
    exchange.answerJson(viewPrincipal(exchange.principal))
  },
}

export const tokenRoutes: readonly Route[] = [create, list, headOf(list), revoke, whoami, headOf(whoami)]

function viewToken(entry: TokenEntry) {
  const { id, name, role, scopes, createdAtMs, createdBy, expiresAtMs, revokedAtMs } = entry
  return {
    id,
    name,
    role,
    scopes: scopes?.map(formatScope),
    createdAt: timeText(createdAtMs),
    createdBy: createdBy === '' ? undefined : createdBy,
    expiresAt: timeText(expiresAtMs),
    revokedAt: timeText(revokedAtMs),
    state: refusalOf(entry, Date.now()) ?? 'in-force',
  }
}

function viewPrincipal(principal: Principal | undefined) {
  return {
    isAsked: principal !== undefined,
    id: principal?.id,
    name: principal?.name,
    role: principal?.role,
    scopes: principal?.scopes?.map(formatScope),
    expiresAt: timeText(principal?.expiresAtMs),
    may: permissionsOf(principal?.role ?? 'admin'),
  }
}

function timeText(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString()
}
