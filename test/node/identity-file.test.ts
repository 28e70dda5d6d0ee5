import t from 'tap'
import {
  type Identity,
  NewerFormat,
  readIdentity,
  UnreadableIdentity,
  writeIdentity,
} from '../../lib/node/identity-file.ts'
import type { DataDirectory } from '../../lib/ports/data-directory.ts'
import { toNodeId } from '../../lib/vocabulary/ids.ts'

const ada: Identity = {
  format: 1,
  id: toNodeId('a'.repeat(32)),
  startNumber: 3,
  storeGeneration: 4_000_000_000,
  cluster: 'starling',
  clusterId: '0123456789abcdef',
  name: 'ada',
  isCleanlyStopped: false,
  isResumed: false,
  hasLeft: true,
  wasExcluded: true,
  fingerprint: { inode: '1', filesystem: '2', machine: '3', boot: '4' },
}

const wrongValues: readonly (readonly [string, unknown])[] = [
  ['id', 'A'.repeat(32)],
  ['id', 'a'.repeat(31)],
  ['clusterId', 'xyz'],
  ['startNumber', -1],
  ['startNumber', 1.5],
  ['startNumber', '3'],
  ['storeGeneration', 2 ** 53],
  ['isCleanlyStopped', 'yes'],
  ['hasLeft', 'yes'],
  ['wasExcluded', 1],
  ['fingerprint', { inode: '1', filesystem: '2', machine: '3' }],
  ['fingerprint', null],
]

class OneFile implements DataDirectory {
  readonly path = '/nowhere'
  #bytes: Uint8Array | undefined

  constructor(text?: string) {
    this.#bytes = text === undefined ? undefined : new TextEncoder().encode(text)
  }
  readIdentity(): Uint8Array | undefined {
    return this.#bytes
  }
  writeIdentity(bytes: Uint8Array): void {
    this.#bytes = bytes
  }
  readVotes(): undefined {
    throw new Error('nobody asks')
  }
  writeVotes(): void {
    throw new Error('nobody asks')
  }
  open(): { readonly ok: true } {
    return { ok: true }
  }
  fingerprint(): NonNullable<Identity['fingerprint']> {
    throw new Error('nobody asks')
  }
  readErrorByte(): boolean {
    return false
  }
  writeErrorByte(): void {}
  freeBytes(): number {
    return 0
  }
  setAside(): string {
    throw new Error('nobody asks')
  }
  close(): void {}
}

t.test('what was written is read again', async (t) => {
  for (const identity of [ada, { ...ada, clusterId: '', fingerprint: undefined, isCleanlyStopped: true }]) {
    const directory = new OneFile()
    writeIdentity(directory, identity)
    t.same(readIdentity(directory), identity)
  }
})

t.test('a file from before nodes could leave is one of a node that has not', async (t) => {
  const { hasLeft, wasExcluded, ...before } = JSON.parse(textOf(ada))
  t.same([hasLeft, wasExcluded], [true, true])
  t.same(readIdentity(new OneFile(JSON.stringify(before))), { ...ada, hasLeft: false, wasExcluded: false })
})

t.test('a directory of a later release is left to that one', async (t) => {
  for (const format of [1, 2]) t.equal(readIdentity(new OneFile(textOf({ ...ada, format })))?.format, format)
  const later = textOf({ ...ada, format: 3 })
  const directory = new OneFile(later)
  t.throws(() => readIdentity(directory), {
    constructor: NewerFormat,
    message: 'the data directory has format 3; this release reads 1 to 2',
  })
  t.equal(new TextDecoder().decode(directory.readIdentity()), later)
})

t.test('a directory without node.json has no identity yet', async (t) => {
  t.equal(readIdentity(new OneFile()), undefined)
})

t.test('a file of another version, or not of ours, is refused and left as it is', async (t) => {
  const written = JSON.parse(textOf(ada))
  const cases: [name: string, text: string, reason: RegExp][] = [
    ['nothing', '', /not JSON/],
    ['half of it', textOf(ada).slice(0, 40), /not JSON/],
    ['bytes that are no text', '\u0000\ufffd{', /not JSON/],
    ['a list', '[]', /no format/],
    ['null', 'null', /not an object/],
    ['a text', '"node"', /not an object/],
    ['no format', textOf(ada).replace('"format": 1,', ''), /no format/],
    ['a format that never was', textOf(ada).replace('"format": 1', '"format": 0'), /no format/],
  ]
  for (const name of Object.keys(written)) {
    if (name === 'format' || name === 'fingerprint') continue
    if (name !== 'hasLeft' && name !== 'wasExcluded')
      cases.push([`no ${name}`, JSON.stringify({ ...written, [name]: undefined }), /lacks fields or has wrong ones/])
    cases.push([`a wrong ${name}`, JSON.stringify({ ...written, [name]: {} }), /lacks fields or has wrong ones/])
  }
  for (const [name, value] of wrongValues) {
    cases.push([`${name} ${value}`, JSON.stringify({ ...written, [name]: value }), /lacks fields or has wrong ones/])
  }
  for (const [name, text, reason] of cases) {
    const directory = new OneFile(text)
    t.throws(() => readIdentity(directory), reason, name)
    t.throws(() => readIdentity(directory), { name: 'UnreadableIdentity', constructor: UnreadableIdentity }, name)
    t.equal(new TextDecoder().decode(directory.readIdentity()), text, 'it is left as it is')
  }
})

function textOf(identity: Identity): string {
  const directory = new OneFile()
  writeIdentity(directory, identity)
  return new TextDecoder().decode(directory.readIdentity())
}
