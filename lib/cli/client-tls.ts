import { readFileSync } from 'node:fs'
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
 * @throws {UsageError} a file cannot be read, or one of certificate and key is missing
 */
export function tlsTextsOf({ tlsCa, tlsCert, tlsKey }: TlsOptions): TlsTexts | undefined {
  if (tlsCa === undefined && tlsCert === undefined && tlsKey === undefined) return undefined
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new UsageError('a certificate and its key belong together', 'give --tls-cert and --tls-key')
  }
  return {
    ...(tlsCa === undefined ? {} : { ca: textOf(tlsCa, '--tls-ca') }),
    ...(tlsCert === undefined ? {} : { cert: textOf(tlsCert, '--tls-cert') }),
    ...(tlsKey === undefined ? {} : { key: textOf(tlsKey, '--tls-key') }),
  }
}

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
