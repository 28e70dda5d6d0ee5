import type { Member } from '../protocol/membership/member.ts'
import { InvalidParameter, type StarlingError, UnknownNode } from '../vocabulary/errors.ts'
import { isNodeId, type NodeId } from '../vocabulary/ids.ts'

const namedMax = 5

/** One that may be meant: somebody gossip knows, or an id that only the layout still has. */
export interface Nameable {
  readonly id: NodeId
  readonly name: string
  /** Preferred where an exact name is somebody's who is gone, too. */
  readonly isPresent: boolean
  /** Preferred next: a node that lost its disk was a newcomer of its own name for a moment, and is remembered as gone. */
  readonly isOfLayout: boolean
}

export type Found =
  | { readonly ok: true; readonly id: NodeId; readonly name: string }
  | { readonly ok: false; readonly error: StarlingError }

/** Everybody who can be named: the members by gossip, and those of whom only an id is left. */
export function nameable(members: readonly Member[], ofLayout: Iterable<NodeId>): readonly Nameable[] {
  const ids = new Set(ofLayout)
  const known = new Map<NodeId, Nameable>()
  for (const { id, state, metadata } of members) {
    const isPresent = state === 'alive' || state === 'suspect'
    known.set(id, { id, name: metadata.name, isPresent, isOfLayout: ids.has(id) })
  }
  for (const id of ids) {
    if (!known.has(id)) known.set(id, { id, name: id.slice(0, 8), isPresent: false, isOfLayout: true })
  }
  return [...known.values()]
}

/** The node that people mean: by its id, its exact name, or the beginning of one that no other has. */
export function findMember(text: string, among: readonly Nameable[]): Found {
  if (text === '') return refused(new InvalidParameter('no node is named'))
  const byId = among.find(({ id }) => id === text)
  if (byId !== undefined) return found(byId)
  const named = among.filter(({ name }) => name === text)
  const preferred =
    onlyOne(named.filter(({ isPresent }) => isPresent)) ?? onlyOne(named.filter((one) => one.isOfLayout))
  if (preferred !== undefined) return found(preferred)
  const meant = named.length > 0 ? named : among.filter(({ id, name }) => name.startsWith(text) || id.startsWith(text))
  const [only, ...others] = meant
  if (only === undefined) {
    const hint = isNodeId(text) ? undefined : `known are ${listed(among)}`
    return refused(new UnknownNode(`no node is called "${text}"`, { hint }))
  }
  if (others.length === 0) return found(only)
  return refused(
    new InvalidParameter(`"${text}" may be any of ${listed(meant)}`, { hint: 'give more of the name, or the id' }),
  )
}

function onlyOne([first, another]: readonly Nameable[]): Nameable | undefined {
  return another === undefined ? first : undefined
}

function found({ id, name }: Nameable): Found {
  return { ok: true, id, name }
}

function refused(error: StarlingError): Found {
  return { ok: false, error }
}

function listed(among: readonly Nameable[]): string {
  const names = among.map(({ id, name }) => `${name} (${id.slice(0, 8)})`)
  return names.length > namedMax ? `${names.slice(0, namedMax).join(', ')}, ...` : names.join(', ')
}
