import { Agent, request } from 'undici'
import { pathOf } from '../values.ts'
import type { ClusterView } from '../workload.ts'
import {
  type Asked,
  type AskOptions,
  type Door,
  type Ending,
  patienceMs,
  type Target,
  timeoutMs,
  type Witnesses,
} from './door.ts'

type Member = ClusterView['members'][number]

/** Idle connections do not keep the process alive. */
const agent = new Agent({ connections: 64, pipelining: 1, connect: { timeout: 1000 } })

/** Plain HTTP: each operation goes to a node that chance chooses, whether it runs or not, and is sent once. */
export class HttpDoor implements Door {
  readonly carriesSession: boolean
  readonly idsOfWrites = false
  readonly #cluster: ClusterView
  readonly #fraction: () => number
  #session: string | undefined
  #last: Member | undefined

  /** @param options.carriesSession sends `Starling-Session` back as it came */
  constructor(
    parts: { readonly cluster: ClusterView; readonly fraction: () => number },
    options: { readonly carriesSession?: boolean } = {},
  ) {
    this.#cluster = parts.cluster
    this.#fraction = parts.fraction
    this.carriesSession = options.carriesSession ?? false
  }

  aim(): Target {
    return this.#at(this.#cluster.members)
  }

  /** So many different nodes, or all that there are, in an order that chance chooses. */
  aimAround(count: number): readonly Target[] {
    const left = [...this.#cluster.members]
    const targets: Target[] = []
    while (left.length > 0 && targets.length < count) {
      targets.push(this.#at(left.splice(Math.floor(this.#fraction() * left.length), 1)))
    }
    return targets
  }

  /** Another node than the last time, where there is one. */
  aimElsewhere(): Target {
    const others = this.#cluster.members.filter((member) => member !== this.#last)
    return this.#at(others.length === 0 ? this.#cluster.members : others)
  }

  #at(members: readonly Member[]): Target {
    const member = members[Math.floor(this.#fraction() * members.length)]
    if (member === undefined) throw new Error('the cluster has no members')
    this.#last = member
    return { node: member.name, ask: (asked) => this.#ask(member, asked) }
  }

  async #ask(member: Member, asked: Asked): Promise<Ending> {
    const { type, token, options } = asked
    const reply = await send({
      member,
      method: methods[type],
      path: `${pathOf(asked.key)}${queryOf(options)}`,
      headers: {
        ...(token === undefined ? {} : { 'starling-context': token }),
        ...(options.ttlSeconds === undefined ? {} : { 'starling-ttl': String(options.ttlSeconds) }),
        ...(this.#session === undefined ? {} : { 'starling-session': this.#session }),
        ...conditionIn(options),
      },
      ...(type === 'put' ? { body: asked.value } : {}),
    })
    if ('type' in reply) return reply
    if (this.carriesSession) this.#session = reply.header('starling-session') ?? this.#session
    return { ...endingOf(type, reply), ...witnessesIn(reply) }
  }
}

export interface Reply {
  readonly status: number
  readonly text: string
  header(name: string): string | undefined
}

/** One request; what it came to, or what can be known without an answer. */
export async function send(one: {
  readonly member: Member
  readonly method: 'GET' | 'PUT' | 'DELETE'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}): Promise<Reply | Exclude<Ending, { type: 'ok' }>> {
  try {
    const { statusCode, headers, body } = await request(`http://${one.member.http}${one.path}`, {
      method: one.method,
      headers: { ...one.headers, ...(one.body === undefined ? {} : { 'content-type': 'text/plain' }) },
      dispatcher: agent,
      signal: AbortSignal.timeout(timeoutMs + patienceMs),
      ...(one.body === undefined ? {} : { body: one.body }),
    })
    const text = await body.text()
    const header = (name: string): string | undefined => {
      const value = headers[name]
      return typeof value === 'string' ? value : undefined
    }
    return { status: statusCode, text, header }
  } catch (error) {
    return { type: wasNeverSent(error) ? 'fail' : 'info', error: nameOf(error) }
  }
}

/** What a node says of a request that it did not carry out. What is not its own answer says nothing. */
export function refusalOf({ status, text, header }: Reply): Exclude<Ending, { type: 'ok' }> {
  if (header('content-type')?.startsWith('application/problem+json') !== true) {
    return { type: 'info', error: `status ${status}` }
  }
  const { code, aftermath } = JSON.parse(text) as { readonly code: string; readonly aftermath: string }
  return { type: aftermath === 'nothing-changed' ? 'fail' : 'info', error: code }
}

function endingOf(type: Asked['type'], reply: Reply): Ending {
  const token = reply.header('starling-context')
  const etag = reply.header('etag')
  if (type !== 'get') {
    return reply.status === 204 ? { type: 'ok', told: { values: [], token } } : refusalOf(reply)
  }
  switch (reply.status) {
    case 200:
      return { type: 'ok', told: { values: [reply.text], token, etag } }
    case 300:
      return { type: 'ok', told: { values: siblingsIn(reply.text), token, etag } }
    case 404:
      // Without this header it is another kind of 404.
      if (reply.header('starling-siblings') === '0') return { type: 'ok', told: { values: [], token } }
      return refusalOf(reply)
    default:
      return refusalOf(reply)
  }
}

function conditionIn({ condition }: AskOptions): Readonly<Record<string, string>> {
  if (condition?.ifMatch !== undefined) return { 'if-match': condition.ifMatch }
  return condition?.ifNoneMatch === undefined ? {} : { 'if-none-match': condition.ifNoneMatch }
}

function siblingsIn(text: string): readonly string[] {
  const view = JSON.parse(text) as { readonly siblings: readonly { readonly value?: string }[] }
  return view.siblings.map(({ value }) => value ?? 'not UTF-8')
}

function witnessesIn(reply: Reply): Witnesses {
  const header = reply.header('starling-receipt')
  if (header === undefined) return {}
  const receipt = JSON.parse(header) as {
    readonly coordinator: Named
    readonly repeated: boolean
    readonly nodes: readonly Named[]
  }
  const acks = receipt.nodes.map(({ name }) => name ?? 'unknown')
  return { by: receipt.coordinator.name ?? undefined, acks, ...(receipt.repeated ? { isRepeated: true } : {}) }
}

interface Named {
  readonly name: string | null
}

function queryOf({ r, w, sloppy }: AskOptions): string {
  const query = new URLSearchParams({ timeout: String(timeoutMs), receipt: 'full' })
  if (r !== undefined) query.set('r', String(r))
  if (w !== undefined) query.set('w', String(w))
  if (sloppy === false) query.set('sloppy', 'false')
  return `?${query}`
}

/** Only while a connection is made is it certain that no byte of the request has left. */
function wasNeverSent(error: unknown): boolean {
  const { syscall, code } = error as { readonly syscall?: string; readonly code?: string }
  return syscall === 'connect' || code === 'UND_ERR_CONNECT_TIMEOUT'
}

function nameOf(error: unknown): string {
  const { code, name } = error as { readonly code?: unknown; readonly name?: string }
  return typeof code === 'string' ? code : (name ?? String(error))
}

const methods = { get: 'GET', put: 'PUT', delete: 'DELETE' } as const
