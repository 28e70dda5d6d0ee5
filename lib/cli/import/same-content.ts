import type { Sibling } from '../../http-client/sibling.ts'

/** Whether two siblings say the same: value, content type and metadata. Who wrote them, and when, is left aside. */
export function isSameContent(a: Sibling, b: Sibling): boolean {
  return (
    a.contentType === b.contentType && Buffer.compare(a.value, b.value) === 0 && isSameMetadata(a.metadata, b.metadata)
  )
}

export function withoutDuplicates(siblings: readonly Sibling[]): readonly Sibling[] {
  return siblings.filter((one, index) => siblings.findIndex((other) => isSameContent(one, other)) === index)
}

function isSameMetadata(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  // Names come back in lower case.
  const given = Object.entries(a).map(([name, value]) => [name.toLowerCase(), value] as const)
  const other = new Map(Object.entries(b).map(([name, value]) => [name.toLowerCase(), value]))
  return given.length === other.size && given.every(([name, value]) => other.get(name) === value)
}
