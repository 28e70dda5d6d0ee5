import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { readClusterId, readNodeId, writeClusterId, writeNodeId } from './id-codec.ts'
import type { Goodbye, Hello, Welcome } from './messages.ts'
import { readChoice, readList, readText, writeChoice, writeList, writeText } from './part-codec.ts'
import { MalformedBytes } from './unreadable-bytes.ts'

const roles: readonly Hello['role'][] = ['peer', 'client']
const goodbyes: readonly Goodbye['reason'][] = [
  'wrong-cluster',
  'foreign-cluster',
  'unknown-version',
  'wrong-node',
  'draining',
  'overloaded',
  'malformed',
  'idle',
  'forgotten',
  'unauthenticated',
  'forbidden',
]

/** What was added behind the first fields: each a number of its own, then its bytes. A number is never given to another. */
const additions = { name: 1, proof: 2, token: 3 } as const
/** More than any hello needs: what comes behind them is not read. */
const additionsMax = 16
/** Longer ones are damage. */
const additionBytesMax = 2048

/**
 * The fields of these three messages never change; a later version adds behind them, and whoever does not know what is
 * added reads on without it. So two versions can always tell each other that they have nothing in common.
 */
export function writeHello(writer: BytesWriter, hello: Hello): void {
  writer.varint(hello.wireVersion)
  writer.varint(hello.wireVersionMin)
  writer.text(hello.cluster)
  writeClusterId(writer, hello.clusterId)
  writeChoice(writer, roles, hello.role)
  if (hello.role === 'peer') writer.hex(hello.nodeId, 16)
  writer.varint(hello.startNumber)
  writeList(writer, hello.capabilities, writeText)
  for (const name of hello.names ?? []) writeAddition(writer, additions.name, encoder.encode(name))
  if (hello.proof !== undefined) writeAddition(writer, additions.proof, hello.proof)
  if (hello.token !== undefined) writeAddition(writer, additions.token, encoder.encode(hello.token))
}

export function readHello(reader: BytesReader): Hello {
  const wireVersion = reader.varint()
  const wireVersionMin = reader.varint()
  if (wireVersionMin > wireVersion) throw new MalformedBytes('a version range is upside down')
  const cluster = reader.text()
  const clusterId = readClusterId(reader)
  const role = readChoice(reader, roles)
  const nodeId = role === 'peer' ? readNodeId(reader) : ''
  const startNumber = reader.varint()
  const capabilities = readList(reader, 1, readText)
  const { names, proof, token } = readAdditions(reader)
  return {
    type: 'hello',
    wireVersion,
    wireVersionMin,
    cluster,
    clusterId,
    role,
    nodeId,
    startNumber,
    capabilities,
    ...(names.length === 0 ? {} : { names }),
    ...(proof === undefined ? {} : { proof }),
    ...(token === undefined ? {} : { token }),
  }
}

export function writeWelcome(writer: BytesWriter, welcome: Welcome): void {
  writer.varint(welcome.wireVersion)
  writer.text(welcome.cluster)
  writeClusterId(writer, welcome.clusterId)
  writeNodeId(writer, welcome.nodeId)
  writer.varint(welcome.startNumber)
  writeList(writer, welcome.capabilities, writeText)
  if (welcome.proof !== undefined) writeAddition(writer, additions.proof, welcome.proof)
}

export function readWelcome(reader: BytesReader): Welcome {
  const welcome: Welcome = {
    type: 'welcome',
    wireVersion: reader.varint(),
    cluster: reader.text(),
    clusterId: readClusterId(reader),
    nodeId: readNodeId(reader),
    startNumber: reader.varint(),
    capabilities: readList(reader, 1, readText),
  }
  const { proof } = readAdditions(reader)
  return proof === undefined ? welcome : { ...welcome, proof }
}

export function writeGoodbye(writer: BytesWriter, goodbye: Goodbye): void {
  writeChoice(writer, goodbyes, goodbye.reason)
  writer.text(goodbye.message)
}

export function readGoodbye(reader: BytesReader): Goodbye {
  return { type: 'goodbye', reason: readChoice(reader, goodbyes), message: reader.text() }
}

function writeAddition(writer: BytesWriter, kind: number, bytes: Uint8Array): void {
  writer.varint(kind)
  writer.bytes(bytes)
}

interface Additions {
  readonly names: readonly string[]
  readonly proof: Uint8Array | undefined
  readonly token: string | undefined
}

/** Those that are known; the others belong to a later version. */
function readAdditions(reader: BytesReader): Additions {
  const names: string[] = []
  let proof: Uint8Array | undefined
  let token: string | undefined
  for (let count = 0; reader.remaining > 0 && count < additionsMax; count += 1) {
    const kind = reader.varint()
    if (kind === additions.name) names.push(reader.text(additionBytesMax))
    else if (kind === additions.proof) proof = new Uint8Array(reader.bytes(additionBytesMax))
    else if (kind === additions.token) token = reader.text(additionBytesMax)
    else reader.bytes()
  }
  return { names, proof, token }
}

const encoder = new TextEncoder()
