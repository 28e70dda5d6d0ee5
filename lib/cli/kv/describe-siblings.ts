import type { Sibling } from '../../http-client/sibling.ts'

/** One line for each, with the number that `kv resolve --pick` takes. */
export function describeSiblings(siblings: readonly Sibling[]): readonly string[] {
  return siblings.map(({ value, contentType, writtenAt = '-' }, index) =>
    `  ${index + 1}  ${writtenAt}  ${contentType}  ${value.length} bytes  ${preview(value)}`.trimEnd(),
  )
}

/** The beginning of a value on one line; bytes that are no text show as dots. */
function preview(value: Uint8Array): string {
  const text = new TextDecoder().decode(value.subarray(0, 60))
  const visible = text.replaceAll(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, '.')
  return value.length > 60 ? `${visible}...` : visible
}
