import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { Transport } from '../http-client/transport.ts'
import { UsageError } from './exit-code.ts'

/** What a command that asks by HTTPS goes by, beyond what Node.js does by itself. */
export interface TlsOptions {
  readonly tlsCa?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
}

/** PEM texts. */
export interface TlsTexts {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/**
 * The files of the options, read. The variables are those of a node: beside one, its certificate is the one to show.
 * @throws {UsageError} a file cannot be read or used, or one of certificate and key is missing
 */
export function tlsTextsOf({ tlsCa, tlsCert, tlsKey }: TlsOptions): TlsTexts | undefined {
  if (tlsCa === undefined && tlsCert === undefined && tlsKey === undefined) return undefined
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new UsageError('a certificate and its key belong together', 'give --tls-cert and --tls-key')
  }
  const ca = tlsCa === undefined ? undefined : textOf(tlsCa, '--tls-ca')
  if (ca !== undefined && !ca.includes('-----BEGIN CERTIFICATE-----'))
    throw new UsageError(`there is no certificate in --tls-ca ${tlsCa}`, pemExpected)
  const shown =
    tlsCert === undefined || tlsKey === undefined
      ? {}
      : { cert: textOf(tlsCert, '--tls-cert'), key: textOf(tlsKey, '--tls-key') }
  try {
    createSecureContext(shown)
  } catch {
    throw new UsageError(
      `${tlsCert} and ${tlsKey} are no certificate and the private key that belongs to it`,
      pemExpected,
    )
  }
  return { ...(ca === undefined ? {} : { ca }), ...shown }
}

const pemExpected = 'PEM is expected, as docs/operations.md makes it'

/** Undefined: what Node.js does by itself is enough. Undici is loaded with the first request. */
export function tlsTransport(options: TlsOptions): Transport | undefined {
  const tls = tlsTextsOf(options)
  if (tls === undefined) return undefined
  let loaded: Promise<Transport> | undefined
  return async (request) => {
    loaded ??= import('./undici-transport.ts').then(({ undiciTransport }) => undiciTransport(tls))
    return (await loaded)(request)
  }
}

function textOf(path: string, flag: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(`${flag}: ${path} cannot be read: ${(error as Error).message}`)
  }
}
