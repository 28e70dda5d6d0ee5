const encoder = new TextEncoder()
const decoder = new TextDecoder()

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text)
}

/** What is no UTF-8 becomes replacement characters, as where Node reads text. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

export function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}
