import type { GivenProperties, VersionedProperties } from '../http-client/bucket-answers.ts'
import { nearest } from '../vocabulary/nearest.ts'
import { type ClientOptions, connect, requestOptions } from './client-options.ts'
import { exitCode, UsageError } from './exit-code.ts'
import { note, writeJson, writeLine } from './output.ts'
import { formatFields, formatTable } from './table.ts'

export interface BucketSetOptions extends ClientOptions {
  readonly dryRun?: boolean
}

export async function bucketList(options: ClientOptions): Promise<void> {
  const { buckets, complete, missing } = await connect(options).buckets(requestOptions(options))
  if (!complete) {
    process.exitCode = exitCode.partial
    const because = missing.length > 0 ? `${missing.length} partitions had too few owners in reach` : 'there are more'
    note(`starling: the list is partial: ${because}`)
  }
  if (options.json) return writeJson('BucketList', { buckets, complete, missing })
  if (buckets.length === 0) return note('no bucket holds keys, or has properties of its own')
  const names = propertyNamesOf(buckets[0] as VersionedProperties)
  const rows = buckets.map((found) => [
    found.bucket,
    ...names.map((name) => shown(found[name])),
    found.holdsKeys ? 'yes' : 'no',
    found.version,
  ])
  await writeLine(formatTable(['bucket', ...names, 'keys', 'version'], rows))
}

export async function bucketShow(bucket: string, options: ClientOptions): Promise<void> {
  await show(bucket, await connect(options).bucketProperties(bucket, requestOptions(options)), options)
}

/** Changes what is given and leaves the rest as it is; refused when somebody else changed it meanwhile. */
export async function bucketSet(
  bucket: string,
  assignments: readonly string[],
  options: BucketSetOptions,
): Promise<void> {
  const client = connect(options)
  const before = await client.bucketProperties(bucket, requestOptions(options))
  const changes = parseAssignments(assignments, propertyNamesOf(before))
  const next: GivenProperties = {
    ...before,
    ...changes,
    readRepairOfNode: before.readRepairOfNode && changes.readRepair === undefined,
  }
  if (options.dryRun === true) {
    if (options.json) return writeJson('Bucket', { bucket, ...next, dryRun: true })
    for (const [name, value] of Object.entries(changes)) {
      await writeLine(`${name}: ${shown(before[name as keyof typeof before])} -> ${shown(value)}`)
    }
    return note('nothing was changed')
  }
  const after = await client.setBucketProperties(bucket, next, requestOptions(options))
  await show(bucket, after, options)
}

async function show(bucket: string, properties: VersionedProperties, options: ClientOptions): Promise<void> {
  if (options.json) return writeJson('Bucket', { bucket, ...properties })
  const names: (keyof VersionedProperties)[] = [...propertyNamesOf(properties), 'version']
  await writeLine(formatFields(names.map((name) => [name, shown(properties[name])])))
}

/** Whatever the node knows of: it may be newer than this command. */
function propertyNamesOf(properties: VersionedProperties): readonly (keyof VersionedProperties)[] {
  const names = Object.keys(properties).filter((name) => !noProperties.has(name))
  return names as (keyof VersionedProperties)[]
}

const noProperties: ReadonlySet<string> = new Set(['version', 'bucket', 'holdsKeys', 'readRepairOfNode'])

/** `r=2`, `conflict=lww`; with nothing behind the sign the property is the default again. */
function parseAssignments(assignments: readonly string[], known: readonly string[]): GivenProperties {
  const changes: Record<string, string | number | null> = {}
  for (const assignment of assignments) {
    const equals = assignment.indexOf('=')
    if (equals === -1) throw new UsageError(`${JSON.stringify(assignment)} is not NAME=VALUE`)
    const name = assignment.slice(0, equals)
    if (!known.includes(name)) {
      throw new UsageError(`there is no property ${JSON.stringify(name)}`, `did you mean ${nearest(name, known)}?`)
    }
    if (Object.hasOwn(changes, name)) throw new UsageError(`${name} is given twice`)
    const value = assignment.slice(equals + 1)
    changes[name] = value === '' ? null : /^[0-9]{1,15}$/.test(value) ? Number(value) : value
  }
  return changes as GivenProperties
}

function shown(value: string | number | boolean | null | undefined): string | number {
  return typeof value === 'boolean' ? String(value) : (value ?? '-')
}
