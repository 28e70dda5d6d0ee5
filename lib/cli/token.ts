import { userInfo } from 'node:os'
import type { CreatedToken, Role, TokenInfo } from '../http-client/token-answers.ts'
import { formatScope, parseScope } from '../security/scope-text.ts'
import { type ClientOptions, connect, requestOptions } from './client-options.ts'
import { exitCode, UsageError } from './exit-code.ts'
import { note, writeJson, writeLine } from './output.ts'
import { formatFields, formatTable } from './table.ts'
import { formatSeconds } from './units.ts'

export interface TokenCreateOptions extends ClientOptions {
  readonly role: Role
  readonly name?: string
  readonly bucket: readonly string[]
  readonly prefix: readonly string[]
  /** Seconds. */
  readonly expires?: number
  readonly dryRun?: boolean
}

export interface TokenRevokeOptions extends ClientOptions {
  readonly dryRun?: boolean
}

/** Prints what its bearer shows, and nothing else, so that it can be piped to where it is kept. */
export async function tokenCreate(options: TokenCreateOptions): Promise<void> {
  const { name = userInfo().username, role, expires: expiresInSeconds } = options
  const scopes = [...options.bucket.map(scopeOfBucket), ...options.prefix.map(scopeOfPrefix)]
  const order = { name, role, ...(scopes.length === 0 ? {} : { scopes }), expiresInSeconds }
  if (options.dryRun === true) {
    if (options.json) return writeJson('Token', { ...order, dryRun: true })
    return note(`a token ${name} would be made: ${role}, ${scopesInWords(scopes)}; nothing was changed`)
  }
  const created = await connect(options).createToken(order, requestOptions(options))
  if (options.json) return writeJson('Token', created)
  await writeLine(created.token)
  note(`token ${created.id} (${name}): ${role}, ${scopesInWords(created.scopes)}, ${lifetimeInWords(created)}`)
  note('it is shown this once; `starling token revoke` takes it back')
}

export async function tokenList(options: ClientOptions): Promise<void> {
  const { tokens, knownSecondsAgo } = await connect(options).tokens(requestOptions(options))
  if (knownSecondsAgo !== 0) {
    process.exitCode = exitCode.partial
    const when = knownSecondsAgo === null ? 'before its start' : `${formatSeconds(knownSecondsAgo)} ago`
    note(`starling: no quorum answered: this is what the node knew ${when}`)
  }
  if (options.json) return writeJson('TokenList', { tokens, knownSecondsAgo })
  if (tokens.length === 0) return note('the cluster has made no token')
  const rows = tokens.map(({ id, name, role, scopes, expiresAt, createdBy, state }) => [
    ...[id, name, role, scopes?.join(' ') ?? 'all data', state],
    ...[expiresAt ?? 'never', createdBy ?? '-'],
  ])
  await writeLine(formatTable(['id', 'name', 'role', 'scopes', 'state', 'expires', 'made by'], rows))
}

export async function tokenRevoke(given: string, options: TokenRevokeOptions): Promise<void> {
  const id = idIn(given)
  if (options.dryRun === true) {
    if (options.json) return writeJson('Token', { id, dryRun: true })
    return note(`the token ${id} would be revoked; nothing was changed`)
  }
  const revoked = await connect(options).revokeToken(id, requestOptions(options))
  if (options.json) return writeJson('Token', revoked)
  note(`token ${id} (${revoked.name}) is revoked: no node takes it after 5 s`)
}

export async function whoami(options: ClientOptions): Promise<void> {
  const who = await connect(options).whoami(requestOptions(options))
  if (options.json) return writeJson('WhoAmI', who)
  if (!who.isAsked) return note('the node asks nobody who they are: everybody may do everything')
  await writeLine(
    formatFields([
      ['id', who.id ?? '-'],
      ['name', who.name ?? '-'],
      ['role', who.role ?? '-'],
      ['may', who.may.join(', ')],
      ['scopes', who.scopes?.join(' ') ?? 'all data'],
      ['expires', who.expiresAt ?? 'never'],
    ]),
  )
}

/** A name is taken as it is, slashes and all; an asterisk at its end stands for all names that begin so. */
function scopeOfBucket(name: string): string {
  const isBucketPrefix = name.endsWith('*')
  const scope = formatScope({ bucket: isBucketPrefix ? name.slice(0, -1) : name, isBucketPrefix, keyPrefix: '' })
  parseScope(scope)
  return scope
}

function scopeOfPrefix(text: string): string {
  const scope = parseScope(text)
  if (scope.keyPrefix === '') throw new UsageError(`"${text}" is not BUCKET/KEYPREFIX`, 'for a whole bucket: --bucket')
  return formatScope(scope)
}

/** Of a token as it is shown, its id as well: whoever has found one wants to be rid of it. */
function idIn(given: string): string {
  const id = /^(?:starling_)?([0-9a-f]{12})(?:_[\w-]*)?$/.exec(given)?.[1]
  // Not a word of it in the message: it may be a token with a slip in it.
  if (id === undefined) throw new UsageError('this is no id of a token', 'starling token list shows them')
  return id
}

function scopesInWords(scopes: readonly string[] | null): string {
  return scopes === null || scopes.length === 0 ? 'all data' : scopes.join(' ')
}

function lifetimeInWords({ expiresAt }: Pick<TokenInfo | CreatedToken, 'expiresAt'>): string {
  return expiresAt === null ? 'never expires' : `good until ${expiresAt}`
}
