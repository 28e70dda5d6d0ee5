import type { ClusterStatus, NamedNode } from '../node/node-api.ts'
import { NoLayout } from '../vocabulary/errors.ts'
import { array, boolean, integer, nullable, number, object, oneOfWords, text } from './json-schema.ts'
import { stagedSchema, viewStaged } from './layout-routes.ts'
import { noQuery } from './query.ts'
import { headOf, type Route } from './route.ts'
import { queryOf } from './target.ts'

const memberSchema = object('A member of the cluster.', {
  id: text('Names the node for life.'),
  name: text('What people call it.'),
  peer: text('Where other nodes reach it, host:port.'),
  http: nullable(text('Where it serves HTTP, host:port.')),
  state: oneOfWords('As this node sees it.', ['alive', 'suspect', 'dead', 'left']),
  zone: text('Its failure domain.'),
  weight: number('Its share of data, relative to the others.'),
  version: text('Its software.'),
  wireVersion: integer('The newest frame protocol that it speaks.'),
  insecure: boolean('It is open to strangers, and was told to be: --insecure.'),
  owns: number('The fraction of all replicas that it holds.'),
  ownsAfter: number('The same, after the layouts under way.'),
  hintsHeld: nullable(integer('Hints it keeps for others; null: it did not tell.')),
  hintsFor: integer('Hints others keep for it, as far as they told.'),
})

const namedSchema = object('A node.', {
  id: text('Names the node for life.'),
  name: text('What people call it.'),
})

const transitionSchema = object('A change of owners on its way.', {
  from: integer('The version that is left.'),
  to: integer('The one that is gone to.'),
  stage: oneOfWords(
    'What is waited for: that every member knows of it, that the new owners have everything, that reads have moved; returning: an abort.',
    ['acknowledging', 'copying', 'switching', 'returning'],
  ),
  waitingFor: array('The members that have not come so far.', namedSchema),
})

const status: Route = {
  method: 'GET',
  path: '/v1/cluster/status',
  operation: 'cluster-status',
  permission: 'observe',
  summary: 'The members, their states and the layout, as this node sees them.',
  description: 'The members are asked what they keep for others, and waited for 400 ms at most.',
  query: noQuery.parameters,
  responses: {
    200: {
      description: 'The cluster.',
      content: {
        'application/json': object('The cluster.', {
          cluster: text('Its name.'),
          clusterId: nullable(text('Decided with the first layout.')),
          converged: boolean('Whether every alive member reports this layout and only one version is live.'),
          layout: object('The layout.', {
            number: integer('Its version; 0 before the first.'),
            live: array('The versions in force.', integer('A version.')),
            hash: nullable(text('Equal where members know the same layout.')),
          }),
          transition: nullable(transitionSchema),
          staged: array('What the next version brings, once it is committed.', stagedSchema),
          excluded: array('Nobody waits for them, asks them or listens to them.', namedSchema),
          awaited: array('Gone without having handed over, and not forgotten.', namedSchema),
          members: array('Everyone this node knows of.', memberSchema),
        }),
      },
    },
  },
  errors: [],
  answer(exchange) {
    noQuery.read(queryOf(exchange.target))
    exchange.edge.node.askStatus((view) => exchange.guard(() => exchange.answerJson(viewStatus(view))))
  },
}

function viewStatus(status: ClusterStatus) {
  const { cluster, clusterId, converged, layout, transition, staged, excluded, awaited, members } = status
  return {
    cluster,
    clusterId,
    converged,
    layout: { number: layout.number, live: layout.live, hash: layout.hash },
    transition: transition && {
      from: transition.from,
      to: transition.to,
      stage: transition.stage,
      waitingFor: transition.waitingFor.map(viewNamed),
    },
    staged: staged.map(viewStaged),
    excluded: excluded.map(viewNamed),
    awaited: awaited.map(viewNamed),
    members: members.map((member) => ({
      id: member.id,
      name: member.name,
      peer: member.peer,
      http: member.http,
      state: member.state,
      zone: member.zone,
      weight: member.weight,
      version: member.version,
      wireVersion: member.wireVersion,
      insecure: member.isInsecure,
      owns: member.owns,
      ownsAfter: member.ownsAfter,
      hintsHeld: member.hintsHeld,
      hintsFor: member.hintsFor,
    })),
  }
}

function viewNamed({ id, name }: NamedNode) {
  return { id, name }
}

const ring: Route = {
  method: 'GET',
  path: '/v1/cluster/ring',
  operation: 'cluster-ring',
  permission: 'observe',
  summary: 'The owners of every partition.',
  query: noQuery.parameters,
  responses: {
    200: {
      description: 'The ring.',
      content: {
        'application/json': object('The ring.', {
          layoutNumber: integer('The layout this speaks of.'),
          partitionCount: integer('Q: equal arcs of the ring.'),
          replicaCount: integer('N: copies of each key.'),
          nodes: array(
            'The owners.',
            object('An owner.', {
              id: text('Names the node for life.'),
              name: text('What people call it.'),
              zone: text('Its failure domain.'),
              weight: number('Its share of data, relative to the others.'),
              target: number('Partitions of which it is to be an owner, by weight and zone, before rounding.'),
            }),
          ),
          partitions: array(
            'For each partition, from 0, the indexes of its owners in "nodes".',
            array('The owners of one partition.', integer('An index.')),
          ),
        }),
      },
    },
  },
  errors: ['no-layout'],
  answer(exchange) {
    noQuery.read(queryOf(exchange.target))
    const view = exchange.edge.node.ring()
    if (view === undefined) throw new NoLayout('the cluster has not decided a layout yet')
    exchange.answerJson({
      layoutNumber: view.layoutNumber,
      partitionCount: view.partitionCount,
      replicaCount: view.replicaCount,
      nodes: view.nodes.map(({ id, name, zone, weight, target }) => ({ id, name, zone, weight, target })),
      partitions: view.partitions,
    })
  },
}

export const clusterRoutes: readonly Route[] = [status, headOf(status), ring, headOf(ring)]
