/** How many answers a request waits for. */
export type Level = number | 'one' | 'quorum' | 'all'

/** What a request says beside its key and value; what it leaves out is as the bucket says. */
export interface AskOptions {
  readonly r?: Level
  readonly w?: Level
  /** False: only owners count. */
  readonly sloppy?: false
  readonly ttlSeconds?: number
  readonly condition?: Condition
}

/** Of a put, over plain HTTP; and what its client knows of it before. */
export interface Condition {
  readonly ifMatch?: string
  readonly ifNoneMatch?: '*'
  readonly knows: 'holds' | 'does not hold' | undefined
}

/** One operation on one key. */
export type Asked = { readonly key: string; readonly token: string | undefined; readonly options: AskOptions } & (
  | { readonly type: 'get' | 'delete' }
  | { readonly type: 'put'; readonly value: string }
)

/** What a client was told: the values of a read, none if nothing is there, and the token that stands for them. */
export interface Told {
  readonly values: readonly string[]
  readonly token: string | undefined
  /** Of what a read found, where the way in shows it. */
  readonly etag?: string | undefined
}

/** The names of the node that coordinated, and of those that had answered it; a refusal may have them, too. */
export interface Witnesses {
  readonly by?: string | undefined
  readonly acks?: readonly string[] | undefined
  /** Another node may have carried it out as well. */
  readonly isRepeated?: boolean | undefined
}

/**
 * How an operation ended, as far as its client can know. `fail`: it was never sent, or a node says that nothing changed;
 * everything else without an answer is `info`.
 */
export type Ending = Witnesses &
  ({ readonly type: 'ok'; readonly told: Told } | { readonly type: 'fail' | 'info'; readonly error: string })

/** A way into the cluster, for one client. */
export interface Door {
  /** Answers carry what the client has seen before, whatever node gives them. */
  readonly carriesSession: boolean
  /** Writes have ids, by which nodes recognise one that is sent again. */
  readonly idsOfWrites: boolean
  /** Chooses where the next operation goes. */
  aim(): Target
  close?(): Promise<void>
}

export interface Target {
  /** The node's name; undefined: the client library chooses. */
  readonly node: string | undefined
  /** Ends within the timeout of requests and a little more. Never rejects. */
  ask(asked: Asked): Promise<Ending>
}

/** What a node is given for a request; and how much longer a client waits, before it gives the answer up as lost. */
export const timeoutMs = 2000
export const patienceMs = 1000

/** Every read meets every write. */
export const strictQuorums = { r: 'quorum', w: 'quorum', sloppy: false } as const satisfies AskOptions
