/**
 * Writes keys straight into the stores of nodes that were stopped: each record as a coordinator would have written it, in
 * the stores of its owners, with trees and indexes. A million keys take a sixth of the time that puts would, for those who
 * measure what a full store costs and not the filling of it.
 *
 * node dist/bench/parts/fill-stores.js DIRECTORY NODES KEYS [VALUE BYTES, default 1024]
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { storePathOf } from '../../lib/platform/data-directory.ts'
import { createLevelStorage } from '../../lib/platform/level-storage.ts'
import { createSystemTime } from '../../lib/platform/system-time.ts'
import { createValueLogStorage } from '../../lib/platform/value-log-storage.ts'
import { createHash } from '../../lib/platform/xxhash.ts'
import type { OpenedStorage, Storage, StorageOperation } from '../../lib/ports/storage.ts'
import { leafOf, XorTree } from '../../lib/protocol/anti-entropy/xor-tree.ts'
import type { KeyRecord } from '../../lib/protocol/causality/record.ts'
import { siblingChecksum, stateHash } from '../../lib/protocol/causality/state-hash.ts'
import { hlcFromMs, hlcZero } from '../../lib/protocol/clock/hlc.ts'
import { layoutHash } from '../../lib/protocol/layout/layout-hash.ts'
import { LayoutInForce } from '../../lib/protocol/layout/layout-in-force.ts'
import type { NodeId } from '../../lib/vocabulary/ids.ts'
import { type Bucket, type Key, toRecordKey } from '../../lib/vocabulary/key.ts'
import { decodeLayoutDocument } from '../../lib/wire/layout-document.ts'
import { encodeRecord } from '../../lib/wire/record.ts'
import { dataKey, indexKeyOf, indexValue, metaKey } from '../../lib/wire/store-keys.ts'
import { encodeStored, openValue, sealValue } from '../../lib/wire/stored-record.ts'
import { encodeTree } from '../../lib/wire/tree-codec.ts'
import { KeySpace } from '../load/key-space.ts'

const [directory = '', nodeCount = '', keyCount = '', valueBytes = '1024'] = process.argv.slice(2)
/** In one batch of each store. */
const keysPerBatch = 500

const hash = await createHash()
const time = createSystemTime()
const keys = new KeySpace(Number(keyCount), Number(valueBytes))
const stores = await Promise.all(Array.from({ length: Number(nodeCount) }, (_, index) => openStore(index)))
const { inForce } = stores[0] as Store
const { partitionCount, ring } = inForce
const trees = Array.from({ length: partitionCount }, () => new XorTree())
const hlc = hlcFromMs(Date.now())

for (let at = 0; at < keys.count; at += 1) {
  addKey(at)
  if (at % keysPerBatch === 0) await writeAll()
}
for (let partition = 0; partition < partitionCount; partition += 1) {
  addTree(partition)
  if (partition % keysPerBatch === 0) await writeAll()
}
await writeAll()
await Promise.all(stores.map(({ storage }) => new Promise<void>((resolve) => storage.close(resolve))))

function addKey(at: number): void {
  const key = toRecordKey('bench' as Bucket, keys.name(at) as Key, hash)
  const value = Buffer.allocUnsafe(keys.valueBytes)
  keys.fillValue(at, value, 0)
  const content = { value, contentType: 'application/octet-stream', metadata: [], expiresAtMs: undefined }
  const dot = { shortId: 1, generation: 1, born: at + 1, counter: at + 1 }
  const sibling = { ...content, dot, hlc, checksum: siblingChecksum(value, content.contentType, [], undefined, hash) }
  const record: KeyRecord = { mode: 'siblings', vv: [dot], siblings: [sibling], deletedHlc: hlcZero, done: [] }
  const partition = ring.partitionOf(key.token)
  trees[partition]?.update(leafOf(key.token, partitionCount), 0n, stateHash(key, record, hash))
  const stored = encodeStored(encodeRecord(record), undefined, hash)
  for (const { operations } of ownersOf(partition)) {
    operations.push({ type: 'put', key: dataKey(partition, key), value: stored })
    operations.push({ type: 'put', key: indexKeyOf(key), value: indexValue(undefined) })
  }
}

function addTree(partition: number): void {
  for (const { operations, epoch } of ownersOf(partition)) {
    const leaves = (trees[partition] as XorTree).leaves()
    const tree = encodeTree({ epoch, partitionCount, verifiedAtMs: Date.now(), leaves })
    operations.push({ type: 'put', key: metaKey(`tree/${partition}`), value: sealValue(tree, hash) })
    operations.push({ type: 'delete', key: metaKey(`tree/dirty/${partition}`) })
  }
}

function ownersOf(partition: number): readonly Store[] {
  const owners = ring.ownersOf(partition)
  return stores.filter(({ id }) => owners.includes(id))
}

async function writeAll(): Promise<void> {
  await Promise.all(
    stores.map(({ storage, operations }) => {
      const batch = operations.splice(0)
      return new Promise<void>((resolve, reject) => {
        storage.write(batch, { sync: false }, (failure) =>
          failure === undefined ? resolve() : reject(new Error(failure.message)),
        )
      })
    }),
  )
}

interface Store {
  readonly id: NodeId
  readonly storage: Storage
  readonly inForce: LayoutInForce
  readonly epoch: number
  readonly operations: StorageOperation[]
}

async function openStore(index: number): Promise<Store> {
  const dataDirectory = join(directory, `n${index + 1}`)
  const { id } = JSON.parse(readFileSync(join(dataDirectory, 'node.json'), 'utf8')) as { readonly id: NodeId }
  const { storage } = await new Promise<OpenedStorage>((resolve, reject) => {
    // With a log where the node has begun one.
    const path = storePathOf(dataDirectory)
    const hasLog = existsSync(join(path, 'values'))
    const opener = hasLog ? createValueLogStorage(path, { hash, time }) : createLevelStorage(path)
    opener.open((failure, opened) => {
      if (opened === undefined) reject(new Error(failure?.message))
      else resolve(opened)
    })
  })
  const layout = kept(storage, 'layout')
  if (layout === undefined) throw new Error(`${dataDirectory} has no layout yet: start its node once`)
  const inForce = new LayoutInForce(decodeLayoutDocument(layout, layoutHash, hash), undefined)
  const epoch = kept(storage, 'tree/epoch')
  return {
    id,
    storage,
    inForce,
    epoch: epoch === undefined ? 0 : new DataView(epoch.buffer, epoch.byteOffset).getFloat64(0),
    operations: [],
  }
}

function kept(storage: Storage, name: string): Uint8Array | undefined {
  const bytes = storage.get(metaKey(name))
  return bytes === undefined ? undefined : openValue(bytes, hash)
}
