import t from 'tap'
import {
  bytes,
  type CausalContext,
  type connect,
  type Database,
  type DatabaseEvents,
  type ErrorCode,
  type Found,
  HttpClient,
  json,
  msgpack,
  type QuorumUnavailable,
  type RunningNode,
  type Sibling,
  type StarlingError,
  type startNode,
  text,
  type Updated,
} from '../../lib/index.ts'
import type { SimulatedCluster, simulateCluster } from '../../lib/testing.ts'

/**
 * What the compiler says of programs that use the package. Nothing here runs: whatever is not so keeps the tests from being
 * built.
 */

interface Cart {
  readonly items: readonly string[]
}

t.test('the types are what the documentation says', async (t) => {
  t.type(claims, 'function', 'the compiler has agreed')
})

function claims(db: Database, node: RunningNode, cluster: SimulatedCluster): void {
  same<Promise<Database>, ReturnType<typeof connect>>()
  same<Promise<RunningNode>, ReturnType<typeof startNode>>()
  same<Promise<SimulatedCluster>, ReturnType<typeof simulateCluster>>()
  same<Database, typeof node.db>()
  same<Database, ReturnType<typeof cluster.database>>()
  accepts<Parameters<typeof connect>[0], readonly string[]>()

  // Values are bytes, unless a codec or the program says otherwise.
  const raw = db.bucket('raw')
  same<Promise<Found<Uint8Array> | undefined>, ReturnType<typeof raw.get>>()
  const carts = db.bucket<Cart>('carts', { codec: json })
  same<Promise<Found<Cart> | undefined>, ReturnType<typeof carts.get>>()
  same<Promise<CausalContext>, ReturnType<typeof carts.put>>()
  same<Promise<CausalContext | undefined>, ReturnType<typeof carts.delete>>()
  same<Promise<Updated<Cart>>, ReturnType<typeof carts.update>>()
  same<Cart, Parameters<typeof carts.put>[1]>()
  refuses<Parameters<typeof carts.put>[1], string>()
  const packed = db.bucket<Map<string, bigint>>('packed', { codec: msgpack })
  same<Map<string, bigint>, Parameters<typeof packed.put>[1]>()
  const texts = db.bucket('texts', { codec: text })
  same<string, Parameters<typeof texts.put>[1]>()
  same<typeof raw, ReturnType<typeof rawOf>>()
  const mine = db.session().bucket<Cart>('carts', { codec: json })
  same<typeof carts, typeof mine>()

  // A merge function sees siblings, and may be async, or return nothing at all.
  type Merge = Parameters<typeof carts.update>[1]
  same<readonly Sibling<Cart>[], Parameters<Merge>[0]>()
  accepts<ReturnType<Merge>, Cart | undefined | Promise<Cart | undefined>>()
  refuses<ReturnType<Merge>, string>()

  // A context is not any string: one that was kept as text has to be called one.
  type PutOptions = NonNullable<Parameters<typeof carts.put>[2]>
  accepts<PutOptions['context'], CausalContext | undefined>()
  refuses<PutOptions['context'], string>()
  accepts<PutOptions['w'], number | 'one' | 'quorum' | 'all' | undefined>()
  refuses<PutOptions['w'], 'most'>()

  // Every method takes a signal and a deadline.
  interface Patience {
    readonly signal?: AbortSignal | undefined
    readonly deadlineMs?: number | undefined
  }
  accepts<Parameters<typeof carts.get>[1], Patience>()
  accepts<Parameters<typeof carts.put>[2], Patience>()
  accepts<Parameters<typeof carts.delete>[1], Patience>()
  accepts<Parameters<typeof carts.update>[2], Patience>()
  accepts<Parameters<typeof carts.scan>[0], Patience>()
  accepts<Parameters<typeof carts.getMany>[1], Patience>()
  accepts<Parameters<typeof carts.putMany>[1], Patience>()
  accepts<Parameters<typeof db.bucketProperties>[1], Patience>()
  accepts<Parameters<typeof db.setBucketProperties>[2], Patience>()
  accepts<Parameters<typeof connect>[1], Patience & { readonly connectTimeoutMs?: number }>()

  // Each event has its own fields; a mistyped name is none.
  db.on('layout', (event) => same<DatabaseEvents['layout'], typeof event>())
  db.on('member', ({ state }) => same<'alive' | 'suspect' | 'dead' | 'left' | 'gone', typeof state>())
  same<'layout' | 'member' | 'breaker', Parameters<typeof db.on>[0]>()

  // Errors are told apart by class and by code.
  accepts<StarlingError, QuorumUnavailable>()
  same<'quorum-unavailable', QuorumUnavailable['code']>()
  same<'nothing-changed' | 'may-have-changed', StarlingError['aftermath']>()
  accepts<ErrorCode, 'deadline-exceeded' | 'unreachable' | 'closed'>()

  const http = new HttpClient({ endpoints: ['http://127.0.0.1:7070'], retries: 2 })
  refuses<Parameters<typeof http.put>[2], number>()
  accepts<Parameters<typeof http.get>[2], { readonly signal?: AbortSignal; readonly timeoutMs?: number }>()
}

function rawOf(db: Database) {
  return db.bucket('raw', { codec: bytes })
}

type IsSame<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false

/** Both are one type. */
function same<One, Other>(..._: IsSame<One, Other> extends true ? [] : ['these are two types', One, Other]): void {}

/** What is `Given` can stand where `Wanted` is wanted. */
function accepts<Wanted, Given>(..._: [Given] extends [Wanted] ? [] : ['this does not fit', Wanted, Given]): void {}

/** And here it cannot. */
function refuses<Wanted, Given>(..._: [Given] extends [Wanted] ? ['this fits', Wanted, Given] : []): void {}
