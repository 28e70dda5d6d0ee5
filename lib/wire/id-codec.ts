import { type ClusterId, type Endpoint, isClusterId, type NodeId, parseEndpoint } from '../vocabulary/ids.ts'
import { invariant } from '../vocabulary/invariant.ts'
import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { MalformedBytes } from './unreadable-bytes.ts'

const noClusterId = '0000000000000000'
const endpointBytesMax = 300
export const nodeIdBytes = 16

/** Its 16 bytes. */
export function writeNodeId(writer: BytesWriter, id: NodeId): void {
  writer.hex(id, nodeIdBytes)
}

export function readNodeId(reader: BytesReader): NodeId {
  return reader.hex(nodeIdBytes) as NodeId
}

/** Its 8 bytes; all zero when there is none yet (rules.md L1). */
export function writeClusterId(writer: BytesWriter, id: string): void {
  invariant(id === '' || isClusterId(id), 'a cluster id is 16 hexadecimal digits or none')
  writer.hex(id === '' ? noClusterId : id, 8)
}

export function readClusterId(reader: BytesReader): ClusterId | '' {
  const id = reader.hex(8)
  return id === noClusterId ? '' : (id as ClusterId)
}

export function writeEndpoint(writer: BytesWriter, endpoint: Endpoint): void {
  writer.text(endpoint)
}

export function readEndpoint(reader: BytesReader): Endpoint {
  const text = reader.text(endpointBytesMax)
  if (parseEndpoint(text) === undefined) throw new MalformedBytes('an endpoint is not host:port')
  return text as Endpoint
}
