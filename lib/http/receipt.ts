import type { NodeApi } from '../node/node-api.ts'
import type { ClientRequest, QuorumReceipt } from '../protocol/quorum/client-request.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { HeaderList } from './exchange.ts'

/** On every answer that a quorum had a part in, errors included: what was answered, what was needed, and who it was. */
export function pushQuorum(headers: HeaderList, receipt: QuorumReceipt): void {
  headers.push('Starling-Quorum', quorumText(receipt))
}

export function quorumText({ kind, answered, needed, owners, fallbacks }: QuorumReceipt): string {
  return `${kind}=${answered}/${needed}; owners=${owners}; fallbacks=${fallbacks}`
}

/**
 * The `Starling-Receipt` header of `?receipt=full`: JSON in ASCII, because a 204 has no body to put it into. Who
 * coordinated, who owns the key, who answered for whom, and what was promised and repaired.
 */
export function fullReceipt(node: NodeApi, request: ClientRequest, quorum: QuorumReceipt): string {
  const members = new Map(node.status().members.map((member) => [member.id, member]))
  const place = node.ownersOf(request.bucket, request.key)
  const { nodes = [], durability, repairs = 0 } = quorum.details ?? {}
  const receipt = {
    operation: request.type,
    coordinator: nameOf(quorum.coordinator),
    repeated: quorum.isRepeated === true,
    partition: place?.partition ?? null,
    token: place?.token ?? null,
    owners: place?.owners.map(nameOf) ?? [],
    quorum: {
      kind: quorum.kind,
      answered: quorum.answered,
      needed: quorum.needed,
      owners: quorum.owners,
      fallbacks: quorum.fallbacks,
    },
    nodes: nodes.map(({ node: id, role, forNode }) => ({
      ...nameOf(id),
      role,
      // Only a fallback answers for somebody else.
      for: role === 'fallback' ? nameOf(forNode) : null,
    })),
    zones: [...new Set(nodes.map(({ node: id }) => members.get(id)?.zone ?? null))],
    durability: durability ?? null,
    repairs,
  }
  return asciiJson(receipt)

  function nameOf(id: NodeId) {
    const member = members.get(id)
    return { id, name: member?.name ?? null, zone: member?.zone ?? null, state: member?.state ?? null }
  }
}

/** JSON in which every character fits into a header. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
