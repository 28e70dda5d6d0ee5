/** Header values are bytes. Starling reads and writes them as UTF-8; Node shows each byte as one Latin-1 character. */

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text in a header value as Node shows it; undefined when the bytes are not UTF-8. */
export function decodeHeaderText(shown: string): string | undefined {
  if (isPrintableAscii(shown)) return shown
  try {
    return decoder.decode(Buffer.from(shown, 'latin1'))
  } catch {
    return undefined
  }
}

/** How Node must be given `text` for a header value; undefined when no header can carry it (line breaks, controls). */
export function encodeHeaderText(text: string): string | undefined {
  if (isPrintableAscii(text)) return text
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index)
    if ((unit < 0x20 && unit !== 0x09) || unit === 0x7f) return undefined
  }
  return text.isWellFormed() ? Buffer.from(text, 'utf8').toString('latin1') : undefined
}

/** Whether `name` may stand as (part of) a header name, in the lower case that Starling keeps. */
export function isHeaderName(name: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)
}

/** 1 to `bytesMax` characters, all visible, no space. */
export function isVisibleAscii(text: string, bytesMax: number): boolean {
  if (text.length === 0 || text.length > bytesMax) return false
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index)
    if (unit < 0x21 || unit > 0x7e) return false
  }
  return true
}

function isPrintableAscii(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index)
    if (unit < 0x20 || unit > 0x7e) return false
  }
  return true
}
