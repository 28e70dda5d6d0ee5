import type { MemberStatus } from '../http-client/answers.ts'
import type { HttpClient } from '../http-client/http-client.ts'
import { StarlingError } from '../vocabulary/errors.ts'
import { type ClientOptions, connect, endpointsOf, requestOptions } from './client-options.ts'
import { exitCode } from './exit-code.ts'
import { note } from './output.ts'

export interface EachNodeOptions extends ClientOptions {
  /** Only the node at the first endpoint that answers. */
  readonly local?: boolean
}

export interface AnswerOfNode<Answer> {
  /** Its id; undefined while its store is not open. */
  readonly node: string | undefined
  readonly name: string
  readonly answer: Answer
}

export interface MissingNode {
  readonly node: string
  readonly name: string
  readonly state: MemberStatus['state']
  readonly reason: string
}

export interface AnswersOfNodes<Answer> {
  readonly answers: readonly AnswerOfNode<Answer>[]
  readonly missing: readonly MissingNode[]
}

const askedAtOnceMax = 16

/**
 * What each node says of itself: those that are not known to be gone are asked at the HTTP addresses they tell the
 * others. The node at the given endpoint is asked there: that way is known to work.
 */
export async function askEachNode<Answer>(
  options: EachNodeOptions,
  ask: (client: HttpClient) => Promise<Answer>,
): Promise<AnswersOfNodes<Answer>> {
  const { client, scheme, id, name } = await firstThatAnswers(options)
  if (options.local === true) return { answers: [{ node: id, name, answer: await ask(client) }], missing: [] }
  const { members } = await client.status(requestOptions(options))
  const answers: AnswerOfNode<Answer>[] = []
  const missing: MissingNode[] = []
  // Before its store is open a node is not even among its own members.
  if (!members.some((member) => member.id === id)) answers.push({ node: id, name, answer: await ask(client) })
  const askMember = async ({ id: node, name: memberName, state, http, owns }: MemberStatus): Promise<void> => {
    const miss = (reason: string): void => void missing.push({ node, name: memberName, state, reason })
    // Who left and owns nothing keeps nothing.
    if (state === 'left' && owns === 0) return
    if (state === 'dead' || state === 'left') return miss(`it is ${state}`)
    if (node !== id && (http === null || http === undefined)) return miss('it serves no HTTP')
    // A token that was given for an encrypted way goes no other.
    const way = node === id ? client : connect({ ...options, endpoint: `${scheme}://${http}` })
    try {
      answers.push({ node, name: memberName, answer: await ask(way) })
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error
      miss(error.message)
    }
  }
  // One queue for all workers.
  const queue = members.values()
  const worker = async (): Promise<void> => {
    for (const member of queue) await askMember(member)
  }
  await Promise.all(Array.from({ length: Math.min(askedAtOnceMax, members.length) }, worker))
  return { answers: answers.sort(byName), missing: missing.sort(byName) }
}

/** Who is gone cannot be asked; who lives and was not makes the answer partial: exit code 7. */
export function reportMissing(missing: readonly MissingNode[]): void {
  for (const { name, reason } of missing) note(`! ${name} was not asked: ${reason}`)
  if (missing.some(({ state }) => state === 'alive' || state === 'suspect')) process.exitCode = exitCode.partial
}

interface AnsweringNode {
  readonly client: HttpClient
  readonly scheme: 'http' | 'https'
  readonly id: string | undefined
  readonly name: string
}

async function firstThatAnswers(options: ClientOptions): Promise<AnsweringNode> {
  let failure: unknown
  for (const endpoint of endpointsOf(options)) {
    const client = connect({ ...options, endpoint })
    try {
      const { id, name } = await client.node(requestOptions(options))
      return { client, scheme: /^https:/i.test(endpoint) ? 'https' : 'http', id: id ?? undefined, name }
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error
      failure ??= error
    }
  }
  // An empty list of endpoints: the client says what it needs.
  throw failure ?? connect(options)
}

function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name < other.name ? -1 : 1
}
