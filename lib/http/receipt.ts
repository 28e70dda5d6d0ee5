import type { NodeApi } from '../node/node-api.ts'
import type { ClientRequest, QuorumReceipt } from '../protocol/quorum/client-request.ts'
import type { NodeId } from '../vocabulary/ids.ts'

/**
 * The `Starling-Receipt` header of `?receipt=full`: JSON in ASCII, because a 204 has no body to put it into. Who
 * coordinated, who owns the key, and what the quorum counted.
 */
export function fullReceipt(node: NodeApi, request: ClientRequest, quorum: QuorumReceipt): string {
  const members = new Map(node.status().members.map((member) => [member.id, member]))
  const place = node.ownersOf(request.bucket, request.key)
  const receipt = {
    operation: request.type,
    coordinator: nameOf(quorum.coordinator),
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
    durability: request.type === 'get' ? null : (request.options.durability ?? 'bucket'),
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
