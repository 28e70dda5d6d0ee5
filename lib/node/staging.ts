import { hlcToMs } from '../protocol/clock/hlc.ts'
import type { StagedChange } from '../protocol/layout/layout-document.ts'
import type { LayoutVersion } from '../protocol/layout/layout-version.ts'
import { isComeAbout } from '../protocol/layout/next-version.ts'
import { InvalidParameter, type StarlingError } from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { Found } from './find-member.ts'
import type { StagedView, StageRequest } from './node-api.ts'

const zoneBytesMax = 255
const weightMax = 1_000_000
const encoder = new TextEncoder()

type Change = Omit<StagedChange, 'setAt' | 'setBy'>
type Known = Extract<Found, { ok: true }>

/** What a request stages for the node that it names, or what is wrong with it. */
export function stagedChange(
  request: StageRequest,
  known: {
    readonly node: Known
    readonly successor: Found | undefined
    /** The newest decided one. */
    readonly version: LayoutVersion
    /** In an older live version only. */
    readonly leaving: ReadonlySet<NodeId>
    /** What was staged for the node until now. */
    readonly before: StagedChange | undefined
  },
): { readonly ok: true; readonly change: Change } | { readonly ok: false; readonly error: StarlingError } {
  const { action, zone, weight, force = false } = request
  const { node, version, before } = known
  const isMember = version.nodes.some(({ id }) => id === node.id)
  const wrong = (message: string, hint?: string) =>
    ({ ok: false, error: new InvalidParameter(message, { hint }) }) as const
  if (zone !== undefined && (zone === '' || encoder.encode(zone).length > zoneBytesMax)) {
    return wrong(`a zone has 1 to ${zoneBytesMax} bytes`)
  }
  if (weight !== undefined && !(weight >= 0 && weight <= weightMax)) return wrong(`a weight is 0 to ${weightMax}`)
  const change = { action, with: undefined, zone, weight, force }
  switch (action) {
    case 'clear':
      return { ok: true, change: { ...change, zone: undefined, weight: undefined, force: false } }
    case 'join':
      if (isMember && version.excluded.includes(node.id)) {
        return wrong(`${node.name} is excluded, and a member still`, 'let it leave first, or be replaced')
      }
      if (isMember) return wrong(`${node.name} is a member already`)
      return { ok: true, change }
    case 'set':
      if (zone === undefined && weight === undefined) return wrong('there is nothing to set: give a zone or a weight')
      if (isMember) return { ok: true, change }
      if (before?.action !== 'join') return wrong(`${node.name} is no member`, 'let it join, with its zone and weight')
      // What is about to join joins with this.
      return {
        ok: true,
        change: { ...change, action: 'join', zone: zone ?? before.zone, weight: weight ?? before.weight },
      }
    case 'exclude':
      // Also one that dies while it hands over (docs/rules.md L4).
      return isMember || known.leaving.has(node.id) ? { ok: true, change } : wrong(`${node.name} is no member`)
    case 'leave':
      return isMember ? { ok: true, change } : wrong(`${node.name} is no member`)
    case 'replace': {
      if (!isMember) return wrong(`${node.name} is no member`)
      const { successor } = known
      if (successor?.ok !== true) return wrong(`say which node replaces ${node.name}`)
      if (version.nodes.some(({ id }) => id === successor.id)) return wrong(`${successor.name} is a member already`)
      return { ok: true, change: { ...change, with: successor.id } }
    }
  }
}

/** What is staged and has not come about, in the order of asking. */
export function stagedViews(
  staged: ReadonlyMap<NodeId, StagedChange>,
  version: LayoutVersion,
  leaving: ReadonlySet<NodeId>,
  nameOf: (id: NodeId) => string,
): readonly StagedView[] {
  return [...staged]
    .filter(([node, change]) => !isComeAbout(node, change, version, leaving))
    .sort(([, a], [, b]) => a.setAt - b.setAt)
    .map(([node, { setAt, action, with: successor, zone, weight, force }]) => ({
      node,
      name: nameOf(node),
      action,
      with: successor,
      withName: successor === undefined ? undefined : nameOf(successor),
      zone,
      weight,
      force,
      setAtMs: hlcToMs(setAt),
    }))
}
