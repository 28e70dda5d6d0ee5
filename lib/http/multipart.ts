import type { Sibling } from '../protocol/causality/record.ts'
import { encodeHeaderText, isHeaderName } from './header-text.ts'
import { contentTypeDefault } from './request-headers.ts'
import { instant, siblingEtag, viewSibling } from './sibling-view.ts'

/** The siblings as `multipart/mixed`, each with its own headers and its bytes as they are. */
export function multipartOf(
  siblings: readonly Sibling[],
  stateHash: string,
): { readonly contentType: string; readonly body: Uint8Array } {
  const boundary = boundaryFor(siblings, stateHash)
  const pieces: Uint8Array[] = []
  for (const sibling of siblings) {
    const lines = [`--${boundary}`]
    lines.push(`Content-Type: ${encodeHeaderText(sibling.contentType) ?? contentTypeDefault}`)
    lines.push(`Content-Length: ${sibling.value.length}`)
    lines.push(`ETag: ${siblingEtag(sibling)}`)
    lines.push(`Starling-Written-At: ${viewSibling(sibling).writtenAt}`)
    if (sibling.expiresAtMs !== undefined) lines.push(`Starling-Expires-At: ${instant(sibling.expiresAtMs)}`)
    for (const [name, text] of sibling.metadata) {
      const value = encodeHeaderText(text)
      if (value !== undefined && isHeaderName(name)) lines.push(`Starling-Meta-${name}: ${value}`)
    }
    pieces.push(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), sibling.value, crlf)
  }
  pieces.push(Buffer.from(`--${boundary}--\r\n`, 'latin1'))
  return { contentType: `multipart/mixed; boundary=${boundary}`, body: Buffer.concat(pieces) }
}

const crlf = Buffer.from('\r\n')

/** Made of the state hash, so that HEAD names the same one as GET; longer when a value happens to hold it. */
function boundaryFor(siblings: readonly Sibling[], stateHash: string): string {
  let boundary = `starling-${stateHash}`
  while (
    siblings.some((sibling) =>
      Buffer.from(sibling.value.buffer, sibling.value.byteOffset, sibling.value.length).includes(boundary),
    )
  ) {
    boundary += 'x'
  }
  return boundary
}
