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
]

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
  return { type: 'hello', wireVersion, wireVersionMin, cluster, clusterId, role, nodeId, startNumber, capabilities }
}

export function writeWelcome(writer: BytesWriter, welcome: Welcome): void {
  writer.varint(welcome.wireVersion)
  writer.text(welcome.cluster)
  writeClusterId(writer, welcome.clusterId)
  writeNodeId(writer, welcome.nodeId)
  writer.varint(welcome.startNumber)
  writeList(writer, welcome.capabilities, writeText)
}

export function readWelcome(reader: BytesReader): Welcome {
  return {
    type: 'welcome',
    wireVersion: reader.varint(),
    cluster: reader.text(),
    clusterId: readClusterId(reader),
    nodeId: readNodeId(reader),
    startNumber: reader.varint(),
    capabilities: readList(reader, 1, readText),
  }
}

export function writeGoodbye(writer: BytesWriter, goodbye: Goodbye): void {
  writeChoice(writer, goodbyes, goodbye.reason)
  writer.text(goodbye.message)
}

export function readGoodbye(reader: BytesReader): Goodbye {
  return { type: 'goodbye', reason: readChoice(reader, goodbyes), message: reader.text() }
}
