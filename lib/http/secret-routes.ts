import type { NodeKeys, SecretOrder } from '../node/secret-views.ts'
import { InvalidBody } from '../vocabulary/errors.ts'
import { checkFields, jsonBodyErrors, readJsonBody } from './json-body.ts'
import { array, boolean, type JsonSchema, nullable, object, oneOfWords, optional, text } from './json-schema.ts'
import { answerJsonOf } from './node-answer.ts'
import { timeoutParameter } from './parameters.ts'
import { QueryReader } from './query.ts'
import { headOf, type Route } from './route.ts'
import { queryOf } from './target.ts'

// The secret that nodes share, by the ids of its keys: no key ever comes or goes this way.

const actions = ['add', 'use', 'remove'] as const
const query = new QueryReader({ timeout: timeoutParameter })

const keysOfNodes: JsonSchema = array(
  'All members of the layout, and who else is there.',
  object('The keys of one node.', {
    node: text('Its id.'),
    name: text('Its name.'),
    sendsWith: nullable(text('The key with which it seals what it says; null: it has not told.')),
    keys: nullable(array('All that it has; what others say may be sealed with any of them.', text('The id of a key.'))),
    problem: nullable(text('Why it has not told.')),
  }),
)

const keyId = text('Eight hexadecimal digits.')

const status: Route = {
  method: 'GET',
  path: '/v1/cluster/secret',
  operation: 'secret',
  permission: 'administer',
  summary: 'Which node has which keys of the secret.',
  description: 'By their ids, which do not betray them. The other nodes are asked. 404: the nodes have no secret.',
  query: query.parameters,
  responses: {
    200: {
      description: 'Who has which.',
      content: {
        'application/json': object('The keys of the cluster.', {
          agreed: boolean('Every node has told, and all have the same keys and send with the same.'),
          nodes: keysOfNodes,
        }),
      },
    },
  },
  errors: ['not-found', 'no-layout', 'draining', 'storage-failed'],
  answer(exchange) {
    const { timeout } = query.read(queryOf(exchange.target))
    exchange.edge.node.secretStatus(
      timeout,
      answerJsonOf(exchange, ({ nodes }) => ({ agreed: isAgreed(nodes), nodes: nodes.map(viewKeys) })),
    )
  },
}

const change: Route = {
  method: 'POST',
  path: '/v1/cluster/secret',
  operation: 'change-secret',
  permission: 'administer',
  summary: 'Add, use or remove a key of the secret on every node.',
  description:
    'A key is changed in three steps: add it, use it, remove the old one. Each node writes its secret file and goes by it at once; connections that exist go on. A step that would cut a node off is refused with 409 and its checks, and then nothing has changed.',
  query: query.parameters,
  takesJson: object('The step.', {
    action: oneOfWords('What becomes of the key.', actions),
    key: optional(
      text('Its id. With add it may be left out: then a new one is made. Else it is brought to who lacks it.'),
    ),
    force: optional(boolean('Although a node that cannot be asked, or lacks the key, may be cut off.')),
    dryRun: optional(boolean('Only find out whether it would be refused.')),
  }),
  responses: {
    200: {
      description: 'It was ordered; who has done it.',
      content: {
        'application/json': object('The step.', {
          action: oneOfWords('What was ordered.', actions),
          key: keyId,
          complete: boolean('Every node has done it. If not, the same request again goes on with it.'),
          nodes: keysOfNodes,
        }),
      },
    },
  },
  errors: [...jsonBodyErrors, 'not-found', 'plan-refused', 'no-layout', 'draining', 'storage-failed'],
  answer(exchange) {
    const { timeout } = query.read(queryOf(exchange.target))
    readJsonBody(exchange, (body) => {
      const order = { ...readOrder(body ?? {}), timeoutMs: timeout }
      const { action, keyId, force, isRehearsal } = order
      exchange.audited?.tell({ action, key: keyId, force, dryRun: isRehearsal })
      exchange.aftermathOfBugs = 'may-have-changed'
      exchange.edge.node.changeSecret(
        order,
        answerJsonOf(exchange, (changed) => {
          exchange.audited?.tell({ key: changed.keyId })
          const complete = changed.nodes.every(({ problem }) => problem === undefined)
          return { action: changed.action, key: changed.keyId, complete, nodes: changed.nodes.map(viewKeys) }
        }),
      )
    })
  },
}

/** @throws {InvalidBody} */
function readOrder(body: Readonly<Record<string, unknown>>): Omit<SecretOrder, 'timeoutMs'> {
  checkFields(body, ['action', 'key', 'force', 'dryRun'])
  const action = actions.find((known) => known === body.action)
  if (action === undefined) throw new InvalidBody(`"action" must be one of ${actions.join(', ')}`)
  const { key, force = false, dryRun = false } = body
  if (key === undefined && action !== 'add') throw new InvalidBody(`"key" must say which key to ${action}`)
  if (key !== undefined && (typeof key !== 'string' || !/^[0-9a-f]{8}$/.test(key))) {
    throw new InvalidBody('"key" must be the id of a key: eight hexadecimal digits')
  }
  if (typeof force !== 'boolean') throw new InvalidBody('"force" must be true or false')
  if (typeof dryRun !== 'boolean') throw new InvalidBody('"dryRun" must be true or false')
  return { action, keyId: key, force, isRehearsal: dryRun }
}

function viewKeys({ node, name, keyIds, problem }: NodeKeys) {
  return { node, name, sendsWith: keyIds?.[0] ?? null, keys: keyIds ?? null, problem: problem ?? null }
}

function isAgreed(nodes: readonly NodeKeys[]): boolean {
  const [first] = nodes
  return nodes.every(({ keyIds }) => keyIds !== undefined && keyIds.join() === first?.keyIds?.join())
}

export const secretRoutes: readonly Route[] = [status, headOf(status), change]
