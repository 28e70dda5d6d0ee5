import net from 'node:net'
import { createHttpServer, type HttpServer } from '../../../lib/http/http-server.ts'
import type { Log } from '../../../lib/ports/log.ts'
import { seededRandom } from '../../../lib/ports/random.ts'
import { toEndpoint } from '../../../lib/vocabulary/ids.ts'
import { RecordedMetrics } from '../../http/with-server.ts'
import { TestCluster } from '../../node/fixtures/test-cluster.ts'
import { hash } from '../../wire/fixtures/hash.ts'
import { must } from '../target.ts'

/** So many turns of the event loop without a byte: nothing more will come by itself. */
const quietTurns = 12
/** Meanwhile the cluster lives so long in each of them. */
const turnMs = 3
/** After the client has said its last word; then it hangs up. */
const farewellTurns = 400
const inputsOfOneStage = 2_000
const names = ['ada', 'bob', 'cyd']

/** What came back on one connection. */
export interface Exchanged {
  readonly bytes: Buffer
  /** The server has ended it. */
  readonly isEnded: boolean
}

/** The HTTP API on a real socket, in front of one of three real nodes in virtual time. */
export class HttpStage {
  #cluster: TestCluster
  #server: HttpServer
  #bugs: string[] = []
  #inputs = 0

  private constructor(cluster: TestCluster) {
    this.#cluster = cluster
    this.#server = this.#serve()
  }

  static async open(): Promise<HttpStage> {
    const stage = new HttpStage(TestCluster.formed(names))
    await stage.#listen()
    return stage
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(resolve))
  }

  /** Before every input: somebody may have told the node to drain, or to leave. */
  async begin(): Promise<void> {
    this.#inputs += 1
    const { state } = this.#cluster.node('ada').self()
    if (this.#inputs <= inputsOfOneStage && state === 'serving' && this.#cluster.ended.length === 0) return
    await this.close()
    this.#inputs = 1
    this.#cluster = TestCluster.formed(names)
    this.#server = this.#serve()
    await this.#listen()
  }

  /** One connection: everything the client says, and everything that is answered. */
  exchange(input: Uint8Array): Promise<Exchanged> {
    return new Promise((resolve) => {
      const socket = net.connect(Number(this.#server.address?.split(':').at(-1)), '127.0.0.1')
      const received: Buffer[] = []
      let quiet = 0
      let isOver = false
      let isEnded = false
      socket.on('data', (chunk) => {
        quiet = 0
        received.push(chunk)
      })
      socket.on('end', () => {
        isEnded = true
      })
      // A server may end what it does not like before all of it has come.
      socket.on('error', () => {})
      socket.on('close', () => {
        isOver = true
        resolve({ bytes: Buffer.concat(received), isEnded })
      })
      socket.on('connect', () => setImmediate(turn))
      socket.write(input)
      const turn = (): void => {
        if (isOver) return
        quiet += 1
        this.#cluster.world.run(turnMs)
        if (quiet === quietTurns) socket.end()
        if (quiet === quietTurns + farewellTurns) socket.destroy()
        setImmediate(turn)
      }
    })
  }

  /** Nothing was met that should not be possible. */
  mustBeSound(): void {
    const [bug] = this.#bugs.splice(0)
    must(bug === undefined, `the server meets no bug: ${bug}`)
    const internal = this.#cluster.metricSum('starling_internal_errors_total')
    must(internal === 0, `no node meets a bug: ${this.#cluster.world.log.format(3)}`)
  }

  #serve(): HttpServer {
    const ignored = (): void => {}
    const log: Log = {
      debug: ignored,
      info: ignored,
      warn: ignored,
      error: (fields, message) => {
        const { error } = fields
        this.#bugs.push(`${message} ${error instanceof Error ? error.stack : JSON.stringify(fields)}`)
      },
    }
    const [node, metrics, random] = [this.#cluster.node('ada'), new RecordedMetrics(), seededRandom([1, 2, 3, 4])]
    return createHttpServer({ node, metrics, log, hash, random, limits: { lingerMs: 1 } })
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#server.listen(toEndpoint('127.0.0.1:0'), (failure) =>
        failure === undefined ? resolve() : reject(new Error(failure.message)),
      ),
    )
  }
}
