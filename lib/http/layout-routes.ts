import type { CommitAnswer, Done, PlanView, StagedView, StageRequest } from '../node/node-api.ts'
import { type ErrorCode, InvalidBody } from '../vocabulary/errors.ts'
import type { Exchange } from './exchange.ts'
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
import { checkSchema, viewCheck } from './problem.ts'
import { noQuery, QueryReader } from './query.ts'
import { headOf, type Route } from './route.ts'
import { queryOf } from './target.ts'

// What changes who owns what: staged first, looked at as a plan, then decided by the members.

const actions = ['join', 'leave', 'replace', 'exclude', 'set', 'clear'] as const
const stageFields = ['action', 'node', 'with', 'zone', 'weight', 'force'] as const
const zoneBytesMax = 255

export const stagedSchema: JsonSchema = object('A change that the next version brings.', {
  node: text('The id of the node.'),
  name: text('Its name.'),
  action: oneOfWords('What becomes of it.', actions),
  with: nullable(text('The id of the node that takes its place.')),
  withName: nullable(text('The name of that one.')),
  zone: nullable(text('Its failure domain then.')),
  weight: nullable(number('Its share of data then, relative to the others.')),
  force: boolean('Whether it is meant although it is dangerous.'),
  setAtMs: integer('When it was asked for: milliseconds since 1970.'),
})

export function viewStaged(change: StagedView) {
  return {
    node: change.node,
    name: change.name,
    action: change.action,
    with: change.with,
    withName: change.withName,
    zone: change.zone,
    weight: change.weight,
    force: change.force === true,
    setAtMs: change.setAtMs,
  }
}

const stagedAnswer: JsonSchema = object('What is staged now.', {
  staged: array('In the order of the ids; empty: the next version is the one in force.', stagedSchema),
})

const stage: Route = {
  method: 'POST',
  path: '/v1/cluster/stage',
  operation: 'stage',
  permission: 'operate',
  summary: 'Ask for a change in the next version of the layout.',
  description:
    'Changes nothing yet. Of what is asked for one node the last word counts, at whatever node it was said. What has come about needs no clearing.',
  query: noQuery.parameters,
  takesJson: object('The change.', {
    action: oneOfWords('clear takes back what was asked for.', actions),
    node: text('An id, an exact name, or the beginning of one that no other has; empty with clear: everything.'),
    with: optional(text('With replace: who takes its place.')),
    zone: optional(text('With join, replace and set: its failure domain.')),
    weight: optional(number('With join, replace and set: its share of data, 1 to 1000.')),
    force: optional(boolean('Although it is dangerous: to replace or exclude a node that is alive.')),
  }),
  responses: { 200: { description: 'It is staged.', content: { 'application/json': stagedAnswer } } },
  errors: [...jsonBodyErrors, 'unknown-node', 'no-layout', 'storage-failed', 'draining'],
  answer(exchange) {
    noQuery.read(queryOf(exchange.target))
    readJsonBody(exchange, (body = {}) => {
      const request = readStage(body)
      exchange.audited?.tell({ ...request })
      exchange.edge.node.stage(
        request,
        answerJsonOf(exchange, ({ staged }) => ({ staged: staged.map(viewStaged) })),
      )
    })
  },
}

/** @throws {InvalidBody} */
function readStage(body: Readonly<Record<string, unknown>>): StageRequest {
  checkFields(body, stageFields)
  const action = actions.find((known) => known === body.action)
  if (action === undefined) throw new InvalidBody(`"action" must be one of ${actions.join(', ')}`)
  const node = textOf(body, 'node') ?? ''
  if (node === '' && action !== 'clear') throw new InvalidBody('"node" must name a node')
  const successor = textOf(body, 'with')
  if ((action === 'replace') !== (successor !== undefined && successor !== '')) {
    throw new InvalidBody('"with" names the node that takes the place: it belongs to replace, and to nothing else')
  }
  const zone = textOf(body, 'zone')
  const weight = weightOf(body)
  const force = booleanOf(body, 'force')
  const hasPlace = zone !== undefined || weight !== undefined
  if (hasPlace && action !== 'join' && action !== 'replace' && action !== 'set') {
    throw new InvalidBody('"zone" and "weight" belong to join, replace and set')
  }
  if (action === 'set' && !hasPlace) throw new InvalidBody('set needs "zone", "weight" or both')
  return {
    action,
    node,
    ...(successor === undefined ? {} : { with: successor }),
    ...(zone === undefined ? {} : { zone }),
    ...(weight === undefined ? {} : { weight }),
    ...(force === undefined ? {} : { force }),
  }
}

const planSchema: JsonSchema = object('What the staged changes lead to.', {
  plan: nullable(text('Names it: what is committed. null: there is none, and the checks say why.')),
  number: integer('The version it makes.'),
  amendment: boolean('Nobody owns anything else afterwards: it may be committed while data moves.'),
  staged: array('What was asked for and has not come about.', stagedSchema),
  changes: array('What it does, in words.', text('A sentence.')),
  shares: array(
    'Every node of both versions.',
    object('The share of one node.', {
      node: text('Its id.'),
      name: text('Its name.'),
      before: number('The fraction of all replicas that it holds.'),
      after: number('The same, afterwards.'),
      partitionsBefore: integer('Partitions of which it holds a copy.'),
      partitionsAfter: integer('The same, afterwards.'),
    }),
  ),
  moves: array(
    'Every partition that changes owners.',
    object('One of them.', {
      partition: integer('From 0.'),
      from: array('Who gives it up.', text('An id.')),
      to: array('Who gains it.', text('An id.')),
      bytes: integer('To be copied, as far as the node that answers can tell.'),
    }),
  ),
  partitions: integer('How many change owners.'),
  bytes: integer('To be copied in all.'),
  estimateSeconds: number('How long that takes, roughly.'),
  maxToTarget: number('What the fullest node then holds against what its weight says.'),
  checks: array('What it was examined for.', checkSchema),
})

const plan: Route = {
  method: 'GET',
  path: '/v1/cluster/plan',
  operation: 'plan',
  permission: 'observe',
  summary: 'What the staged changes lead to.',
  description:
    'Every node plans the same from the same staged changes; the bytes are an estimate of the one that answers.',
  query: noQuery.parameters,
  responses: { 200: { description: 'The plan, or why there is none.', content: { 'application/json': planSchema } } },
  errors: ['no-layout', 'storage-failed', 'draining'],
  answer(exchange) {
    noQuery.read(queryOf(exchange.target))
    exchange.edge.node.plan(answerJsonOf(exchange, viewPlan))
  },
}

function viewPlan(view: PlanView) {
  return {
    plan: view.plan,
    number: view.number,
    amendment: view.isAmendment,
    staged: view.staged.map(viewStaged),
    changes: view.changes,
    shares: view.shares.map((share) => ({
      node: share.node,
      name: share.name,
      before: share.before,
      after: share.after,
      partitionsBefore: share.partitionsBefore,
      partitionsAfter: share.partitionsAfter,
    })),
    moves: view.moves.map(({ partition, from, to, bytes }) => ({ partition, from, to, bytes })),
    partitions: view.partitions,
    bytes: view.bytes,
    estimateSeconds: view.estimateSeconds,
    maxToTarget: view.maxToTarget,
    checks: view.checks.map(viewCheck),
  }
}

const decideQuery = new QueryReader({ timeout: timeoutParameter })

const decideErrors: readonly ErrorCode[] = [
  ...jsonBodyErrors,
  'stale-plan',
  'plan-refused',
  'transition-running',
  'no-layout',
  'storage-failed',
  'draining',
]

const decideResponses: Route['responses'] = {
  200: {
    description: 'The members have decided it.',
    content: {
      'application/json': object('The decided version.', {
        decided: { type: 'boolean', enum: [true], description: 'True.' },
        number: integer('Its number.'),
        plan: text('Its hash.'),
      }),
    },
  },
  202: {
    description: 'Not by the deadline. It may still be; the same request again goes on with it.',
    content: {
      'application/json': object('Who has not answered.', {
        decided: { type: 'boolean', enum: [false], description: 'False.' },
        waitingFor: array('Members.', text('A name.')),
      }),
    },
  },
}

function answerDecision(exchange: Exchange): Done<CommitAnswer> {
  return (error, answer) => {
    exchange.guard(() => {
      if (answer !== undefined) exchange.audited?.tell({ ...answer })
      if (answer === undefined) exchange.fail(error)
      else if (answer.decided) exchange.answerJson({ decided: true, number: answer.number, plan: answer.plan })
      else exchange.answerJson({ decided: false, waitingFor: answer.waitingFor }, 202)
    })
  }
}

const commit: Route = {
  method: 'POST',
  path: '/v1/cluster/commit',
  operation: 'commit',
  permission: 'operate',
  summary: 'Have the members decide the plan.',
  description:
    'Data moves afterwards, while clients read and write: GET /v1/cluster/status and /v1/cluster/transfers show it.',
  query: decideQuery.parameters,
  takesJson: object('The plan.', {
    plan: optional(nullable(text('As it was shown; another one is refused. Left out: whatever is staged now.'))),
    force: optional(
      boolean('Also without a majority of the members, if all it does is exclude. Two clusters may result.'),
    ),
  }),
  responses: decideResponses,
  errors: decideErrors,
  answer(exchange) {
    const { timeout } = decideQuery.read(queryOf(exchange.target))
    readJsonBody(exchange, (body = {}) => {
      checkFields(body, ['plan', 'force'])
      const request = {
        plan: body.plan === null ? undefined : textOf(body, 'plan'),
        force: booleanOf(body, 'force') ?? false,
        timeoutMs: timeout,
      }
      exchange.audited?.tell({ plan: request.plan, force: request.force })
      exchange.aftermathOfBugs = 'may-have-changed'
      exchange.edge.node.commit(request, answerDecision(exchange))
    })
  },
}

const abort: Route = {
  method: 'POST',
  path: '/v1/cluster/abort',
  operation: 'abort',
  permission: 'operate',
  summary: 'Take back the change of owners that is running: the old owners go on.',
  description: 'They still hold everything. Needs no body.',
  query: decideQuery.parameters,
  responses: decideResponses,
  errors: decideErrors,
  answer(exchange) {
    const { timeout } = decideQuery.read(queryOf(exchange.target))
    readJsonBody(exchange, (body = {}) => {
      checkFields(body, [])
      exchange.aftermathOfBugs = 'may-have-changed'
      exchange.edge.node.abort(timeout, answerDecision(exchange))
    })
  },
}

const forget: Route = {
  method: 'POST',
  path: '/v1/cluster/forget',
  operation: 'forget',
  permission: 'operate',
  summary: 'Wait no more for a node that is gone for good.',
  description: 'What only it holds is lost. Should it return, it is refused until its disk is wiped.',
  query: decideQuery.parameters,
  takesJson: object('Who is gone.', { node: text('An id, or a name as for stage.') }),
  responses: decideResponses,
  errors: [...decideErrors, 'unknown-node'],
  answer(exchange) {
    const { timeout } = decideQuery.read(queryOf(exchange.target))
    readJsonBody(exchange, (body = {}) => {
      checkFields(body, ['node'])
      const node = textOf(body, 'node') ?? ''
      if (node === '') throw new InvalidBody('"node" must name a node')
      exchange.audited?.tell({ node })
      exchange.aftermathOfBugs = 'may-have-changed'
      exchange.edge.node.forget(node, timeout, answerDecision(exchange))
    })
  },
}

export const layoutRoutes: readonly Route[] = [stage, plan, headOf(plan), commit, abort, forget]

function textOf(body: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = body[name]
  if (value === undefined) return undefined
  if (typeof value !== 'string') throw new InvalidBody(`"${name}" must be a string`)
  if (Buffer.byteLength(value) > zoneBytesMax) throw new InvalidBody(`"${name}" is longer than ${zoneBytesMax} bytes`)
  return value
}

function booleanOf(body: Readonly<Record<string, unknown>>, name: string): boolean | undefined {
  const value = body[name]
  if (value === undefined || typeof value === 'boolean') return value
  throw new InvalidBody(`"${name}" must be true or false`)
}

function weightOf(body: Readonly<Record<string, unknown>>): number | undefined {
  const { weight } = body
  if (weight === undefined) return undefined
  if (typeof weight === 'number' && weight >= 1 && weight <= 1000) return weight
  throw new InvalidBody('"weight" must be a number from 1 to 1000')
}
