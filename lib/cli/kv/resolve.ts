import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import type { Found } from '../../http-client/answers.ts'
import type { HttpClient } from '../../http-client/http-client.ts'
import { formatSibling, type Sibling } from '../../http-client/sibling.ts'
import { PreconditionFailed } from '../../vocabulary/errors.ts'
import { connect } from '../client-options.ts'
import { exitCode, NotConfirmed, UsageError } from '../exit-code.ts'
import { note, writeJson, writeLine } from '../output.ts'
import { describeSiblings } from './describe-siblings.ts'
import { mergeByCommand, mergeByEditor } from './merge.ts'
import { type WriteFlags, writeOptions } from './options.ts'

export interface ResolveFlags extends WriteFlags {
  readonly pick?: string
  readonly newest?: boolean
  readonly value?: string
  readonly file?: string
  readonly with?: string
  readonly edit?: boolean
  readonly delete?: boolean
  readonly contentType?: string
  readonly meta: Readonly<Record<string, string>>
  readonly ttl?: number
  readonly dryRun?: boolean
}

/** What takes the place of all siblings. */
type Resolution = Pick<Sibling, 'value' | 'contentType' | 'metadata'> & { readonly ttlSeconds?: number | undefined }

const choiceFlags = ['pick', 'newest', 'value', 'file', 'with', 'edit', 'delete'] as const

/**
 * Puts one value in the place of all siblings that a read shows. The write carries the context of that read, and is only
 * done while the key still reads as it did: whatever was written meanwhile stays, and is told of with exit code 6.
 */
export async function resolve(bucket: string, key: string, flags: ResolveFlags): Promise<void> {
  const given = choiceFlags.filter((name) => flags[name] !== undefined)
  if (given.length > 1) throw new UsageError(`--${given[0]} and --${given[1]} are given, and one choice is needed`)
  const client = connect(flags)
  const found = await client.get(bucket, key, { timeoutMs: flags.timeout })
  if (found.siblings.length < 2) return nothingToResolve(bucket, key, found, flags)
  const choice = given.length === 0 ? await askWhich(bucket, key, found, flags) : flags
  if (choice === undefined) return
  const resolution = choice.delete === true ? 'delete' : await resolutionOf(bucket, key, found.siblings, choice)
  if (flags.dryRun === true) return report(bucket, key, found, resolution, flags)
  await write(client, bucket, key, found, resolution, flags)
  await report(bucket, key, found, resolution, flags)
  // The condition is checked by the coordinator before it writes, and not while it does.
  const after = await client.get(bucket, key, { timeoutMs: flags.timeout })
  if (after.siblings.length > 1) conflict(bucket, key, after.siblings.length)
}

async function nothingToResolve(
  bucket: string,
  key: string,
  { siblings }: Found,
  { json }: ResolveFlags,
): Promise<void> {
  if (siblings.length === 0) process.exitCode = exitCode.notFound
  if (json) return writeJson('Resolution', { bucket, key, resolved: false, siblings: siblings.length })
  note(
    `starling: ${bucket}/${key} ${siblings.length === 0 ? 'is not there' : 'has one value: there is nothing to resolve'}`,
  )
}

/** On a terminal the siblings are shown and one is asked for; elsewhere they are printed, and nothing is done. */
async function askWhich(
  bucket: string,
  key: string,
  { siblings, context }: Found,
  flags: ResolveFlags,
): Promise<ResolveFlags | undefined> {
  const isTerminal = process.stdin.isTTY === true && process.stderr.isTTY === true
  if (flags.json === true || !isTerminal) {
    if (flags.json) await writeJson('Siblings', { bucket, key, context, siblings: siblings.map(formatSibling) })
    else for (const line of describeSiblings(siblings)) await writeLine(line)
    throw new NotConfirmed(
      `${bucket}/${key} has ${siblings.length} siblings, and nothing says which of them is to stay`,
      'give --pick N, --newest, --value VALUE, --file FILE, --with COMMAND, --edit or --delete',
    )
  }
  for (const line of describeSiblings(siblings)) note(line)
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = (await terminal.question(`Which one? [1-${siblings.length}, n newest, e edit, q quit] `)).trim()
    if (/^\d+$/.test(answer)) return { ...flags, pick: answer }
    if (answer === 'n') return { ...flags, newest: true }
    if (answer === 'e') return { ...flags, edit: true }
  } finally {
    terminal.close()
  }
  process.exitCode = exitCode.conflict
  note('starling: nothing was done: the siblings stay')
  return undefined
}

async function resolutionOf(
  bucket: string,
  key: string,
  siblings: readonly Sibling[],
  flags: ResolveFlags,
): Promise<Resolution> {
  if (flags.pick !== undefined) return whole(picked(siblings, flags.pick), flags)
  if (flags.newest === true) return whole(newestOf(siblings), flags)
  // Said before a person has worked on the value.
  const contentType = flags.contentType ?? commonContentType(siblings)
  const metadata = { ...commonMetadata(siblings), ...flags.meta }
  const value = await mergedValue(bucket, key, siblings, flags)
  return { value, contentType, metadata, ttlSeconds: flags.ttl }
}

async function mergedValue(
  bucket: string,
  key: string,
  siblings: readonly Sibling[],
  flags: ResolveFlags,
): Promise<Uint8Array> {
  if (flags.value !== undefined) return Buffer.from(flags.value)
  if (flags.with !== undefined) return mergeByCommand(flags.with, bucket, key, siblings)
  if (flags.edit === true) return mergeByEditor(bucket, key, siblings)
  const file = flags.file as string
  return readFile(file).catch((error: Error) => {
    throw new UsageError(`the file cannot be read: ${error.message}`)
  })
}

/** By its number in the list, or by its etag, which no other sibling ever has. */
function picked(siblings: readonly Sibling[], pick: string): Sibling {
  const named = siblings.find(({ etag }) => etag !== undefined && (etag === pick || etag === `"${pick}"`))
  const sibling = named ?? (/^[1-9]\d{0,3}$/.test(pick) ? siblings[Number(pick) - 1] : undefined)
  if (sibling === undefined)
    throw new UsageError(`--pick ${pick} names none of the siblings`, `1 to ${siblings.length}, or the etag of one`)
  return sibling
}

/** By the clocks of the nodes that coordinated the writes; of two with the same time, the one with the greater etag. */
function newestOf(siblings: readonly Sibling[]): Sibling {
  const age = ({ writtenAt = '', etag = '' }: Sibling): string => `${writtenAt} ${etag}`
  return siblings.reduce((newest, sibling) => (age(sibling) > age(newest) ? sibling : newest))
}

/** The sibling as it is, but for what the flags say. It expires when it would have expired. */
function whole({ value, contentType, metadata, expiresAt }: Sibling, flags: ResolveFlags): Resolution {
  const leftSeconds = expiresAt === undefined ? undefined : Math.ceil((Date.parse(expiresAt) - Date.now()) / 1000)
  return {
    value,
    contentType: flags.contentType ?? contentType,
    metadata: { ...metadata, ...flags.meta },
    ttlSeconds: flags.ttl ?? (leftSeconds === undefined ? undefined : Math.max(1, leftSeconds)),
  }
}

function commonContentType(siblings: readonly Sibling[]): string {
  const types = [...new Set(siblings.map(({ contentType }) => contentType))]
  if (types.length > 1)
    throw new UsageError(`the siblings are of several types: ${types.join(', ')}`, 'say which with --content-type')
  return types[0] as string
}

function commonMetadata([first, ...others]: readonly Sibling[]): Readonly<Record<string, string>> {
  const entries = Object.entries(first?.metadata ?? {})
  return Object.fromEntries(entries.filter(([name, value]) => others.every(({ metadata }) => metadata[name] === value)))
}

async function write(
  client: HttpClient,
  bucket: string,
  key: string,
  { context, etag: ifMatch, siblings }: Found,
  resolution: Resolution | 'delete',
  flags: ResolveFlags,
): Promise<void> {
  const options = { ...writeOptions(flags), context, ifMatch }
  try {
    if (resolution === 'delete') await client.delete(bucket, key, options)
    else await client.put(bucket, key, resolution.value, { ...options, ...resolution })
  } catch (error) {
    if (!(error instanceof PreconditionFailed)) throw error
    throw new PreconditionFailed(`${bucket}/${key} has changed since its ${siblings.length} siblings were read`, {
      hint: 'look again: run the command once more',
      cause: error,
    })
  }
}

async function report(
  bucket: string,
  key: string,
  { siblings }: Found,
  resolution: Resolution | 'delete',
  { json, dryRun }: ResolveFlags,
): Promise<void> {
  if (json) {
    const now = resolution === 'delete' ? { deleted: true } : { sibling: formatSibling(resolution) }
    return writeJson('Resolution', {
      bucket,
      key,
      resolved: dryRun !== true,
      siblings: siblings.length,
      ...now,
      dryRun,
    })
  }
  const what = resolution === 'delete' ? 'nothing' : `one value of ${resolution.value.length} bytes`
  const verb = dryRun === true ? 'would be' : 'are now'
  note(`${siblings.length} siblings of ${bucket}/${key} ${verb} ${what}`)
}

function conflict(bucket: string, key: string, count: number): void {
  process.exitCode = exitCode.conflict
  note(`starling: ${bucket}/${key} has ${count} siblings again: somebody wrote meanwhile, and that was kept`)
  note('  hint: look again: run the command once more')
}
