import { type Command, InvalidArgumentError, Option } from 'commander'
import { HttpClient, type QuorumLevel } from '../http-client/http-client.ts'
import type { Transport } from '../http-client/transport.ts'
import { timeoutMsMax, timeoutMsMin } from '../vocabulary/limits.ts'
import { type TlsOptions, tlsTransport } from './client-tls.ts'
import { type TokenOptions, tokenOf } from './client-token.ts'

/** What every command that speaks to a node takes. */
export interface ClientOptions extends TokenOptions, TlsOptions {
  readonly endpoint: string
  readonly json?: boolean
  readonly timeout?: number
}

const endpointDefault = 'http://127.0.0.1:7070'

export function addClientOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--endpoint <URL,...>', 'nodes to ask, in order').env('STARLING_ENDPOINT').default(endpointDefault),
    )
    .option('--token-file <FILE>', 'shows the token in it (or STARLING_TOKEN) where nodes want to know who asks')
    .addOption(tlsOption('--tls-ca <FILE>', 'the authorities that have signed the certificates of the nodes, PEM'))
    .addOption(tlsOption('--tls-cert <FILE>', 'the certificate to show, where nodes want to see one, PEM'))
    .addOption(tlsOption('--tls-key <FILE>', 'the private key of that certificate, PEM'))
    .option('--timeout <MS>', `milliseconds for each request, ${timeoutMsMin} to ${timeoutMsMax}`, parseTimeout)
    .option('--json', 'machine-readable output')
}

export function endpointsOf(options: Pick<ClientOptions, 'endpoint'>): readonly string[] {
  return options.endpoint
    .split(',')
    .map((url) => url.trim())
    .filter((url) => url !== '')
}

export function connect(options: ClientOptions, extra: { transport?: Transport; spread?: boolean } = {}): HttpClient {
  const transport = extra.transport ?? tlsTransport(options)
  return new HttpClient({
    ...{ endpoints: endpointsOf(options), token: tokenOf(options), ...extra },
    ...(transport === undefined ? {} : { transport }),
  })
}

/** A node of this machine was started with the same variable. */
function tlsOption(flags: string, help: string): Option {
  const name = /--(\S+)/.exec(flags)?.[1] ?? ''
  return new Option(flags, help).env(`STARLING_${name.toUpperCase().replaceAll('-', '_')}`)
}

/** The part of the options that goes with each request. */
export function requestOptions(options: ClientOptions): { readonly timeoutMs?: number } {
  return options.timeout === undefined ? {} : { timeoutMs: options.timeout }
}

export function parseQuorum(text: string): QuorumLevel {
  if (text === 'one' || text === 'quorum' || text === 'all') return text
  return parseWhole(text, 0, 1000, 'a quorum is a count, one, quorum or all')
}

/** @throws {InvalidArgumentError} to which a parser of options adds the option's name */
export function parseWhole(text: string, min: number, max: number, expected = `expected ${min} to ${max}`): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) throw new InvalidArgumentError(expected)
  return value
}

/** For options that may be repeated. */
export function collected(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}

/** `90s`, `15m`, `12h`, `30d` or `52w`, as seconds. */
export function parseDuration(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,6})([smhdw])$/.exec(text) ?? []
  const seconds = Number(count) * (secondsOf[unit] ?? 0)
  if (!(seconds >= 1)) throw new InvalidArgumentError('expected a number with s, m, h, d or w behind it: 30d')
  return seconds
}

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 }

function parseTimeout(text: string): number {
  return parseWhole(text, timeoutMsMin, timeoutMsMax)
}
