/** The links between nodes, as `--net` chooses them. The same faults by the same names on all of them. */
export interface Network {
  readonly kind: 'netns' | 'proxy'
  /** What `spoil` can do here. */
  readonly canSpoil: readonly (keyof LinkFaults)[]
  /** Prepares a place for a node, before it starts. */
  place(name: string): Promise<Place>
  /** Nothing passes from `from` to `to`, until it is mended; the other way is another link. */
  cut(from: string, to: string): Promise<void>
  mend(from: string, to: string): Promise<void>
  /** Makes links bad; several calls replace each other. Where a backend cannot do a part it throws, and says what can. */
  spoil(from: string, to: string, faults: LinkFaults): Promise<void>
  /** Everything passes as at first. */
  heal(): Promise<void>
  /** Since the beginning, over all links. */
  counts(): Promise<LinkCounts>
  /** Since the beginning, of what was on its way from `from` to `to`. */
  countsOf(from: string, to: string): Promise<LinkCounts>
  close(): Promise<void>
}

export interface LinkFaults {
  readonly lossChance?: number
  readonly duplicateChance?: number
  readonly delayMs?: number
  readonly jitterMs?: number
  /** `proxy` only: so many messages of a stream are overtaken by later ones. Datagrams are, by jitter alone. */
  readonly reorderChance?: number
  /** `proxy` only: drops frames and datagrams of these message types, such as `write-record` or `gossip`. */
  readonly dropTypes?: readonly string[]
  /** How many of those that `dropTypes` names; default 1: all. */
  readonly dropTypesChance?: number
}

/** Packets in namespaces; datagrams and frames with the proxy. */
export interface LinkCounts {
  /** Lost by chance, by its type, or as a packet on a link that was cut. */
  readonly dropped: number
  /** What had to wait on a link that was cut, as TCP sends again what got lost (`proxy`). */
  readonly held: number
  readonly delayed: number
  readonly duplicated: number
}

/** How a node is started there, and where it is reached. */
export interface Place {
  /** What the node binds and tells the others. */
  readonly flags: readonly string[]
  /** Words before the command, such as `ip netns exec NAME`; they end in it by `exec`. */
  readonly before: readonly string[]
  /** Where this process reaches it, `host:port`. */
  readonly http: string
  readonly peer: string
  /** Where the other nodes reach it: what `--join` names. */
  readonly joinAddress: string
}
