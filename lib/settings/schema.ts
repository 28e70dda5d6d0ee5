import { invariant } from '../vocabulary/invariant.ts'
import { choice, endpoint, endpoints, integer, onOrOff, origins, type SettingKind, text } from './setting-kind.ts'

/** One setting, for every place that speaks of it: flags, environment, file, `--help`, `starling config`, docs. */
export interface Setting<Value, Default extends Value | undefined = Value | undefined> {
  /** Without the hyphens: `advertise-http`. Also the key in the file. */
  readonly flag: string
  /** `STARLING_ADVERTISE_HTTP`. */
  readonly env: string
  /** Undefined for what cannot stand in the file. */
  readonly toml: string | undefined
  readonly kind: SettingKind<Value>
  readonly default: Default
  /** The default in words, where the value alone would not say it. */
  readonly defaultText: string
  readonly help: string
}

const name = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
const nodeName = /^[A-Za-z0-9[][A-Za-z0-9._:[\]-]{0,62}$/

/**
 * Every setting of a node. The names are public (docs/settings.md is made from this and compared by a test).
 * Precedence: flag, environment, file, default.
 */
export const settingsSchema = {
  http: setting('http', endpoint({ portMin: 0 }), '127.0.0.1:7070', {
    help: 'where the node serves HTTP',
  }),
  peer: setting('peer', endpoint({ portMin: 0 }), '127.0.0.1:7071', {
    help: 'where the node speaks to other nodes: UDP gossip and the TCP frame protocol',
  }),
  advertiseHttp: optional('advertise-http', endpoint({ portMin: 1 }), {
    defaultText: 'the listen address',
    help: 'the HTTP address that others are told',
  }),
  advertisePeer: optional('advertise-peer', endpoint({ portMin: 1 }), {
    defaultText: 'the listen address',
    help: 'the peer address that others are told',
  }),
  data: setting('data', text('the path of a directory', /^[^\0]+$/, 'DIR'), './starling-data', {
    help: 'data directory: node.json (identity), db/ (LevelDB), lock',
  }),
  name: optional(
    'name',
    text('1 to 63 letters, digits, ".", "_", "-", ":" or brackets, first a letter or digit', nodeName, 'NAME'),
    {
      defaultText: 'the advertised peer address',
      help: 'what people call the node; unique in the cluster',
    },
  ),
  cluster: setting(
    'cluster',
    text('1 to 63 letters, digits, ".", "_" or "-", first a letter or digit', name, 'NAME'),
    'starling',
    { help: 'nodes of another cluster name never merge' },
  ),
  join: setting('join', endpoints(), [], {
    defaultText: 'none',
    help: 'peers to meet; names are resolved again and again',
  }),
  expect: optional('expect', integer(1, 1000), {
    defaultText: '1 without --join',
    help: 'commit the first layout once N members are alive; every starter is given the same N',
  }),
  zone: setting(
    'zone',
    text('1 to 63 letters, digits, ".", "_" or "-", first a letter or digit', name, 'ZONE'),
    'default',
    { help: 'failure domain: replicas go to different zones when there are enough' },
  ),
  weight: setting('weight', integer(1, 1000), 1, { help: 'share of the data, against the other nodes of the zone' }),
  replicas: setting('replicas', integer(1, 15), 3, {
    help: 'copies of every key; fixed when the first layout is created',
  }),
  partitions: setting('partitions', integer(1, 32768, { powerOfTwo: true }), 1024, {
    help: 'arcs of the ring; fixed when the first layout is created',
  }),
  readRepair: setting('read-repair', choice(['blocking', 'async', 'off']), 'blocking', {
    help: 'whether a read waits for the repair of stale replicas',
  }),
  hints: setting('hints', choice(['on', 'off']), 'on', {
    help: 'keep what an absent owner misses, and bring it there; fallbacks stand in for absent owners',
  }),
  antiEntropy: setting('anti-entropy', choice(['on', 'off']), 'on', {
    help: 'compare replicas in the background by Merkle trees, and repair what differs',
  }),
  valueLog: setting('value-log', choice(['on', 'off']), 'off', {
    help: 'keep values of 1 KiB and more in a log beside LevelDB; off again, the log is emptied in the background',
  }),
  tombstoneGrace: setting('tombstone-grace', integer(0, 31_536_000), 86_400, {
    help: 'seconds a confirmed tombstone is kept before it may go; 0 is safe',
  }),
  keepOldCopies: setting('keep-old-copies', integer(0, 31_536_000), 600, {
    help: 'seconds a copy is kept that other nodes own now; they hold all of it by then, 0 is safe',
  }),
  slowRequestMs: setting('slow-request-ms', integer(0, 60_000), 1_000, {
    help: 'log the requests of clients that take so many milliseconds or longer, with who was asked when; 0 logs none',
  }),
  clientRequestsPerSecond: setting('client-requests-per-second', integer(0, 999_999_999), 0, {
    defaultText: '0: no limit',
    help: 'what one client may ask of this node in a second, by HTTP or frames; a client is a token, or else an address; a batch counts as its operations',
  }),
  clientBytesPerSecond: setting('client-bytes-per-second', integer(0, 999_999_999), 0, {
    defaultText: '0: no limit',
    help: 'bytes that one client may send and be sent in a second',
  }),
  clientRequestsInFlight: setting('client-requests-in-flight', integer(0, 999_999_999), 0, {
    defaultText: '0: no limit',
    help: 'requests of one client that may be under way at one time',
  }),
  addressConnections: setting('address-connections', integer(0, 999_999_999), 0, {
    defaultText: '0: no limit',
    help: 'connections that clients of one address may have to each port; beyond, an idle one of theirs is closed for the next, or the next',
  }),
  corsOrigins: setting('cors-origins', origins(), [], {
    defaultText: 'none',
    help: 'web pages of these origins may use the HTTP API from a browser, never with credentials of the browser',
  }),
  config: {
    ...optional('config', file(), {
      defaultText: 'starling.toml, if there is one',
      help: 'the settings file',
    }),
    toml: undefined,
  },
  secretFile: optional('secret-file', file(), {
    defaultText: 'none',
    help: 'keys that all nodes of the cluster share, one a line: what they say to each other is sealed with the first',
  }),
  tlsCert: optional('tls-cert', file(), {
    defaultText: 'none',
    help: 'the certificate of this node, PEM, with those between it and the authority',
  }),
  tlsKey: optional('tls-key', file(), { defaultText: 'none', help: 'the private key of the certificate, PEM' }),
  tlsCa: optional('tls-ca', file(), {
    defaultText: 'none',
    help: 'the authorities whose certificates nodes and clients must show, PEM',
  }),
  tokenFile: optional('token-file', file(), {
    defaultText: 'none',
    help: 'clients need tokens; the one in this file is an admin from the start',
  }),
  auditLog: optional('audit-log', file(), {
    defaultText: 'none',
    help: 'write who changed tokens, secrets, topology and buckets to this file, a JSON object a line',
  }),
  auditData: setting('audit-data', choice(['off', 'writes', 'all']), 'off', {
    help: 'whether the audit log has what is done to data as well, key by key and without values',
  }),
  insecure: setting('insecure', onOrOff(), false, {
    help: 'allow plain, unauthenticated traffic beyond loopback',
  }),
  logLevel: setting('log-level', choice(['debug', 'info', 'warn', 'error']), 'info', {
    help: 'the least important lines to log',
  }),
  logFormat: optional('log-format', choice(['json', 'pretty']), {
    defaultText: 'pretty on a terminal, else json',
    help: 'how log lines are written',
  }),
} as const

function file(): SettingKind<string> {
  return text('the path of a file', /^[^\0]+$/, 'FILE')
}

type Schema = typeof settingsSchema

/** The name of a setting in code. */
export type SettingName = keyof Schema

/**
 * A node's settings, each checked by itself and against the others. An undefined one means what its default says in
 * words: it depends on what the node finds when it starts (a port of the system's choice, a terminal).
 */
export type Settings = {
  readonly [Name in SettingName]: Schema[Name] extends Setting<infer Value, infer Default> ? Value | Default : never
}

/** Settings in the order people read them. */
export const settingNames = Object.keys(settingsSchema) as readonly SettingName[]

/** The environment variable of a flag. */
function envNameOf(flag: string): string {
  return `STARLING_${flag.toUpperCase().replaceAll('-', '_')}`
}

interface Words {
  readonly help: string
  readonly defaultText?: string
}

function setting<Value>(
  flag: string,
  kind: SettingKind<Value>,
  defaultRaw: string | number | boolean | readonly never[],
  words: Words,
): Setting<Value, Value> {
  const parsed = kind.parse(defaultRaw)
  invariant(parsed.ok, 'a default is accepted by its own setting', { flag, defaultRaw })
  const defaultText = words.defaultText ?? String(defaultRaw)
  return { flag, env: envNameOf(flag), toml: flag, kind, default: parsed.value, defaultText, help: words.help }
}

function optional<Value>(
  flag: string,
  kind: SettingKind<Value>,
  words: Words & { readonly defaultText: string },
): Setting<Value, undefined> {
  return { flag, env: envNameOf(flag), toml: flag, kind, default: undefined, ...words }
}
