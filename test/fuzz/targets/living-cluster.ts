import type { ByteStream, DatagramSocket } from '../../../lib/ports/network.ts'
import { toEndpoint } from '../../../lib/vocabulary/ids.ts'
import { FrameReader } from '../../../lib/wire/frame-reader.ts'
import type { Frame, Hello } from '../../../lib/wire/messages.ts'
import { hello } from '../../links/parties.ts'
import { TestCluster } from '../../node/fixtures/test-cluster.ts'
import { hash } from '../../wire/fixtures/hash.ts'
import { Broken, must } from '../target.ts'
import { piecesOf, streamOf } from './frame-bytes.ts'

/** A deadline may be a minute away; what is more than that is not an answer any more. */
const answeredWithinMs = 75_000
/** What is already on its way when nothing more is asked. */
const calmMs = 5
/** Long enough for an answer, and for what others are asked because of it. */
const heardWithinMs = 50
const names = ['ada', 'bob', 'cyd']
const stranger = 'eve'

/** Three nodes in virtual time, and somebody who says to them what they like. Begun anew before it is full of what they said. */
export class LivingCluster {
  readonly #inputsMax: number
  #cluster: TestCluster
  #ports: ReturnType<TestCluster['world']['portsFor']>
  #socket: DatagramSocket | undefined
  #inputs = 0

  constructor(inputsMax: number) {
    this.#inputsMax = inputsMax
    this.#cluster = TestCluster.formed(names)
    this.#ports = this.#enter()
  }

  get cluster(): TestCluster {
    return this.#cluster
  }

  /** Before every input. */
  begin(): void {
    this.#inputs += 1
    if (this.#inputs <= this.#inputsMax) return
    this.#inputs = 1
    this.#cluster = TestCluster.formed(names)
    this.#ports = this.#enter()
  }

  #enter(): ReturnType<TestCluster['world']['portsFor']> {
    const ports = this.#cluster.world.portsFor(stranger)
    ports.datagrams.bind(
      toEndpoint(`${stranger}:7101`),
      () => {},
      (_failure, socket) => {
        this.#socket = socket
      },
    )
    this.#cluster.world.run(1)
    return ports
  }

  /** A hello that is welcome, and then this stream: whatever can be read of it is answered, or the connection ended. */
  ask(to: string, as: Partial<Hello>, stream: Uint8Array): void {
    const { world } = this.#cluster
    const asked = requestsIn(stream)
    let answers = 0
    const reader = new FrameReader(hash)
    let malformed: string | undefined
    let isClosed = false
    let open: ByteStream | undefined
    const hear = (frame: Frame): void => {
      if (frame.kind !== 'response') return
      must(asked.has(frame.id), 'only what was asked is answered')
      answers += 1
      must(answers <= asked.total, 'nothing is answered twice')
    }
    const handlers = {
      onBytes: (bytes: Uint8Array) => {
        malformed = reader.read(bytes, hear)
      },
      onClosed: () => {
        isClosed = true
      },
    }
    world.inProcess(stranger, () =>
      this.#ports.streams.connect(this.#cluster.node(to).peer, handlers, (_failure, connection) => {
        must(connection !== undefined, 'whoever comes is let in')
        connection.write([streamOf([{ kind: 'hello', message: hello({ wireVersion: 3, ...as }) }])])
        for (const piece of piecesOf(stream)) connection.write([piece])
        open = connection
      }),
    )
    const isOver = world.runUntil(() => isClosed || answers === asked.total, answeredWithinMs)
    must(isOver, 'every request is answered in time, or the connection is ended')
    must(malformed === undefined, 'whatever is answered are frames')
    world.inProcess(stranger, () => open?.end())
    world.run(calmMs)
    this.mustBeSound()
  }

  /** One datagram, whoever it seems to be from. */
  tell(to: string, datagram: Uint8Array): void {
    const { world } = this.#cluster
    world.inProcess(stranger, () => this.#socket?.send(this.#cluster.node(to).peer, datagram))
    world.run(heardWithinMs)
    this.mustBeSound()
  }

  /** Nobody has met a bug, and all are there. */
  mustBeSound(): void {
    const { world, ended } = this.#cluster
    const [ending] = ended
    must(ending === undefined, `no node ends: ${ending?.problem.code}`)
    if (this.#cluster.metricSum('starling_internal_errors_total') === 0) return
    const bug = world.log.lines().findLast(({ fields }) => typeof fields.stack === 'string')
    throw Object.assign(new Broken('no node meets a bug of its own'), { stack: String(bug?.fields.stack) })
  }

  /** Whoever is no stranger is served as before. */
  mustServe(): void {
    const key = `k${this.#inputs}`
    const put = this.#cluster.put('ada', key, 'v')
    must(put.code === 'ok', `a write is served: ${put.code} ${put.message}`)
    const got = this.#cluster.get('bob', key)
    must(got.values?.includes('v') === true, `and read elsewhere: ${got.code} ${got.message}`)
  }
}

/** The ids of the requests that can be read of a stream, and how many there are. */
function requestsIn(stream: Uint8Array): Set<number> & { total: number } {
  const asked = Object.assign(new Set<number>(), { total: 0 })
  new FrameReader(hash).read(Uint8Array.from(stream), (frame) => {
    if (frame.kind !== 'request') return
    asked.add(frame.id)
    asked.total += 1
  })
  return asked
}
