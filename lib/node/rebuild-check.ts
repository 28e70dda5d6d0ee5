import { linkSettingsDefault, type Outcome } from '../links/frame-link.ts'
import { LinkPool } from '../links/link-pool.ts'
import type { StreamIdentity } from '../ports/network.ts'
import type { Ports } from '../ports/ports.ts'
import { partitionsWithoutCopy } from '../protocol/continuity/rebuild.ts'
import { layoutHash } from '../protocol/layout/layout-hash.ts'
import type { DecidedLayout } from '../protocol/layout/layout-version.ts'
import type { Member } from '../protocol/membership/member.ts'
import { Ring } from '../protocol/ring/ring.ts'
import { type Endpoint, type NodeId, toNodeId } from '../vocabulary/ids.ts'
import { decodeLayoutDocument } from '../wire/layout-document.ts'
import { type Hello, type Request, type Response, wireVersion, wireVersionMin } from '../wire/messages.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { Identity } from './identity-file.ts'
import type { NodeSettings } from './node-settings.ts'
import { StartProblem } from './start-problem.ts'
import { namesOf, trustOf } from './trust-of.ts'

const answerMsMax = 3_000
const namesShownMax = 5

interface Discovered {
  readonly decided: DecidedLayout
  /** The oldest that is live: itself at rest. */
  readonly oldest: DecidedLayout
  readonly members: readonly Member[]
}

/**
 * Whether a node may give up its store: asks the addresses to join who is in the cluster, then each other owner what it
 * has. Nothing is believed of anybody who does not answer, and nothing is changed.
 */
export class RebuildCheck {
  readonly #ports: Ports
  readonly #settings: NodeSettings
  /** Undefined when it cannot be read: then the name says who this is. */
  readonly #identity: Identity | undefined
  readonly #links: LinkPool
  readonly #done: (problem: StartProblem | undefined) => void
  readonly #silent = new Map<Endpoint, string>()

  /** @param done hears undefined when no partition would be lost */
  constructor(
    ports: Ports,
    settings: NodeSettings,
    identity: Identity | undefined,
    done: (problem: StartProblem | undefined) => void,
  ) {
    this.#ports = ports
    this.#settings = settings
    this.#identity = identity
    this.#done = done
    const { time, streams, hash } = ports
    this.#links = new LinkPool(
      { time, streams, hash, random: ports.random('rebuild'), settings: linkSettingsDefault },
      {
        hello: (streamIdentity) => this.#hello(streamIdentity),
        digest: () => ({ number: 0, documentHash: 0 }),
        onDigest: () => {},
        onGoodbye: (goodbye, from) => this.#silent.set(from, goodbye.message),
      },
    )
  }

  /** Where clients are asked for tokens it asks as the member that it was, and shows what shows that it may be one. */
  #hello(identity: StreamIdentity): Hello {
    const { cluster, bootstrapTokens } = this.#settings
    const asksForTokens = bootstrapTokens !== undefined
    const trust = trustOf(this.#settings, this.#ports.cryptography, () => asksForTokens)
    return {
      ...{ type: 'hello', wireVersion, wireVersionMin, cluster, clusterId: this.#identity?.clusterId ?? '' },
      ...{ role: asksForTokens ? 'peer' : 'client', nodeId: asksForTokens ? this.#memberId() : '' },
      ...{ startNumber: 0, capabilities: [] },
      ...(asksForTokens ? trust.helloAdditions(identity, namesOf(this.#settings)) : {}),
    }
  }

  /** Whoever cannot read its own id asks under one that nobody has. */
  #memberId(): NodeId {
    return this.#identity?.id ?? toNodeId(Buffer.from(this.#ports.cryptography.randomBytes(16)).toString('hex'))
  }

  begin(): void {
    if (this.#settings.join.length === 0) {
      return this.#refuse(
        'without --join there is nobody to ask who else has the data',
        'give the peer addresses of living members with --join',
      )
    }
    this.#resolveSeeds((seeds) => this.#askAll(seeds, { type: 'discover' }, (answers) => this.#discovered(answers)))
  }

  #resolveSeeds(done: (seeds: readonly Endpoint[]) => void): void {
    const { join } = this.#settings
    const found = new Set<Endpoint>()
    let left = join.length
    for (const seed of join) {
      this.#ports.names.resolve(seed, (addresses) => {
        if (addresses.length === 0) this.#silent.set(seed, 'the name does not resolve')
        for (const address of addresses) found.add(address)
        left -= 1
        if (left === 0) done([...found])
      })
    }
  }

  #askAll(endpoints: readonly Endpoint[], message: Request, done: (answers: readonly Response[]) => void): void {
    const answers: Response[] = []
    let left = endpoints.length
    if (left === 0) return this.#ports.time.soon(() => done(answers))
    for (const endpoint of endpoints) {
      this.#links.request(endpoint, message, answerMsMax, (outcome) => {
        if (outcome.type === 'answered') answers.push(outcome.message)
        else if (!this.#silent.has(endpoint)) this.#silent.set(endpoint, reasonOf(outcome))
        left -= 1
        if (left === 0) done(answers)
      })
    }
  }

  #discovered(answers: readonly Response[]): void {
    const found = answers
      .map((answer) => this.#read(answer))
      .filter((discovered) => discovered !== undefined)
      .sort((one, other) => other.decided.version.number - one.decided.version.number)[0]
    if (found === undefined) {
      const reasons = [...this.#silent].map(([endpoint, reason]) => `${endpoint}: ${reason}`)
      return this.#refuse(
        `no member with a layout answers (${reasons.join('; ') || 'none has a layout'})`,
        'start the other nodes first, and give their peer addresses with --join',
      )
    }
    this.#askOwners(found)
  }

  #read(answer: Response): Discovered | undefined {
    if (answer.type !== 'discovered') return undefined
    try {
      const { live } = decodeLayoutDocument(answer.document, layoutHash, this.#ports.hash)
      const [oldest, newest] = [live[0], live.at(-1)]
      if (oldest === undefined || newest === undefined) return undefined
      return { decided: newest, oldest, members: answer.members }
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      return undefined
    }
  }

  #askOwners({ decided, oldest, members }: Discovered): void {
    const { name } = this.#settings
    const identity = this.#identity
    if (identity !== undefined && identity.clusterId !== '' && identity.clusterId !== decided.clusterId) {
      return this.#refuse(
        `the members belong to cluster ${decided.clusterId}, this directory to ${identity.clusterId}`,
        'use the right --join, or the right --data',
      )
    }
    // While owners change, those of before have everything, until nobody needs them any more.
    const nodes = [...oldest.version.nodes, ...decided.version.nodes].map(({ id }) => id)
    const inLayout = members.filter(({ id }) => nodes.includes(id))
    const own = inLayout.find(({ id, metadata }) => metadata.name === name && (identity?.id ?? id) === id)
    if (own === undefined) {
      return this.#refuse(
        `no member of the layout ${identity === undefined ? '' : `with the id of this directory (${identity.id}) `}is called "${name}"`,
        'give --name as the cluster knows it (starling cluster status): an empty node resumes its identity by name',
      )
    }
    const ring = new Ring(oldest.version)
    const { excluded } = decided.version
    const others = inLayout.filter(({ id }) => id !== own.id && !excluded.includes(id))
    const endpoints = others.map(({ metadata }) => metadata.peer)
    this.#askAll(endpoints, { type: 'take-stock' }, (answers) => {
      const stocks = new Map<NodeId, ReadonlySet<number>>()
      for (const answer of answers) {
        if (answer.type === 'stock' && answer.node !== own.id) stocks.set(answer.node, new Set(answer.recovering))
      }
      const lost = partitionsWithoutCopy(ring, own.id, stocks)
      if (lost.length === 0) return this.#end(undefined)
      const reasons = others.flatMap(({ id, metadata }) => {
        const recovering = stocks.get(id)
        if (recovering === undefined) return `${metadata.name} does not answer`
        return lost.some((partition) => recovering.has(partition)) ? `${metadata.name} is recovering itself` : []
      })
      const shown = reasons.length > namesShownMax ? [...reasons.slice(0, namesShownMax), '...'] : reasons
      this.#refuse(
        `${lost.length} of the ${ring.partitionsOf(own.id).length} partitions of "${name}" have no other whole copy in reach (${shown.join(', ') || 'there is no other owner'})`,
        'start the other owners and try again; where they will never come back, see docs/operations.md',
      )
    })
  }

  #refuse(message: string, hint: string): void {
    this.#end(new StartProblem('rebuild-refused', `the store is not rebuilt: ${message}; nothing was changed`, hint))
  }

  #end(problem: StartProblem | undefined): void {
    this.#links.close('the question is answered')
    this.#ports.time.soon(() => this.#done(problem))
  }
}

function reasonOf(outcome: Outcome): string {
  switch (outcome.type) {
    case 'answered':
      return ''
    case 'refused':
      return outcome.refusal.message
    case 'not-sent':
    case 'unknown':
      return outcome.reason
  }
}
