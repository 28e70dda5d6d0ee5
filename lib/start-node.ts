import { packageVersion } from './cli/package-version.ts'
import { toClientSettings } from './client/client-settings.ts'
import { Database } from './client/database.ts'
import { createHttpServer, type HttpServer } from './http/http-server.ts'
import { StarlingNode } from './node/node.ts'
import type { NodeApi } from './node/node-api.ts'
import type { NodeSettings } from './node/node-settings.ts'
import { standardParts } from './node/standard-parts.ts'
import { StartProblem } from './node/start-problem.ts'
import { openAuditLog } from './platform/audit-file.ts'
import { createPlatformPorts, type PlatformSettings } from './platform/create-ports.ts'
import { createCryptography } from './platform/node-cryptography.ts'
import { SecretFile } from './platform/secret-file.ts'
import { CertificateFiles, declareExpiry } from './platform/tls/certificate-files.ts'
import { httpsOf } from './platform/tls/https-certificates.ts'
import { TokenFile } from './platform/token-file.ts'
import type { Streams } from './ports/network.ts'
import type { Ports } from './ports/ports.ts'
import { clientLimitsOff } from './protocol/overload/client-limits.ts'
import type { AuditLog } from './security/audit-log.ts'
import { exposuresOf, warningsAbout } from './settings/exposure.ts'
import { resolveSettings } from './settings/resolve-settings.ts'
import { type SettingName, type Settings, settingNames, settingsSchema } from './settings/schema.ts'
import { type Endpoint, formatEndpoint, parseEndpoint } from './vocabulary/ids.ts'
import { isLoopback } from './vocabulary/loopback.ts'

/** Any of the settings of docs/settings.md, in their camelCase form. Environment and files are not read. */
export type StartNodeOptions = {
  readonly [Name in Exclude<SettingName, 'config'>]?: Settings[Name] extends readonly unknown[]
    ? readonly string[]
    : Settings[Name] extends number | boolean | undefined
      ? Settings[Name]
      : string | undefined
} & {
  /** Put a damaged data directory aside and start empty under the same name; refused unless other owners have its data. */
  readonly rebuild?: boolean | undefined
}

/** A full member of a cluster inside this process. */
export interface RunningNode {
  /** 32 hexadecimal digits. A node that resumes a dead member's identity by name changes it once. */
  readonly id: string
  /** Where it serves HTTP; undefined: it does not. */
  readonly http: Endpoint | undefined
  /** Where other nodes and embedded clients reach it. */
  readonly peer: Endpoint
  readonly node: NodeApi
  /** An embedded client of the cluster, which begins at this node. Connects at its first request; `stop` closes it. */
  readonly db: Database
  /**
   * Reads the secret file and the token file again and opens the audit log anew, as SIGHUP makes `starling start` do. What
   * cannot be used is logged and not taken.
   */
  reload(): void
  /** Finishes what runs, says goodbye, closes everything. Safe to call twice. */
  stop(): Promise<void>
  /**
   * Resolves after `stop`, and when the node has left the cluster and has nothing more to do; rejects with a StartProblem
   * when it had to end by itself.
   */
  readonly stopped: Promise<void>
}

/**
 * Starts a node; resolves once it listens and gossips. It serves requests as soon as it knows a layout: with `expect: 1`
 * and no `join` at once, else when the starters have found each other. HTTP is served only where `http` is given.
 *
 * @throws {InvalidParameter} for an option out of its range; nothing was touched
 * @throws {StartProblem} when the directory, the store or an address cannot be used; nothing was changed
 * @see docs/settings.md
 */
export async function startNode(options: StartNodeOptions = {}): Promise<RunningNode> {
  const { http: httpOption } = options
  const { settings } = resolveSettings({ flags: flagsOf(options) })
  const secret =
    settings.secretFile === undefined ? undefined : new SecretFile(settings.secretFile, createCryptography())
  const tokenFile =
    settings.tokenFile === undefined ? undefined : new TokenFile(settings.tokenFile, createCryptography())
  const certificates = certificatesOf(settings)
  const ports = await createPlatformPorts({
    security: securityOf(settings, secret, certificates),
    dataDirectory: settings.data,
    logLevel: settings.logLevel,
    logFormat: settings.logFormat,
    hasValueLog: settings.valueLog === 'on',
    traced: { name: nameOf(settings), cluster: settings.cluster, version: packageVersion() },
  })
  declareExpiry(ports.metrics, certificates)
  for (const warning of warningsAbout(settings)) ports.log.warn({}, warning)
  const audit = openAudit(settings, ports, () => node.id)
  const node: StarlingNode = new StarlingNode(
    ports,
    { ...nodeSettings(settings), secret, audit, bootstrapTokens: tokenFile?.tokens },
    standardParts,
  )
  const server = httpOption === undefined ? undefined : await serveHttp(node, ports, { audit, certificates }, settings)
  const http = server === undefined ? undefined : (settings.advertiseHttp ?? withPort(settings.http, server.address))
  let end: { resolve: () => void; reject: (problem: StartProblem) => void } | undefined
  const stopped = new Promise<void>((resolve, reject) => {
    end = { resolve, reject }
  })
  // Whoever does not watch `stopped` must not be killed by its rejection: the problem is in the log as well.
  stopped.catch(() => {})
  let db: Database | undefined
  const closeHttp = (): Promise<void> =>
    new Promise((resolve) => (server === undefined ? resolve() : server.close(resolve)))
  const closeAudit = (operation: string, on?: Readonly<Record<string, unknown>>): Promise<void> =>
    new Promise((resolve) => {
      audit?.recordOwn(operation, on)
      if (audit === undefined) resolve()
      else audit.close(resolve)
    })
  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> => {
    // Those who ask the node first: HTTP finishes its requests while the node still coordinates.
    stopping ??= Promise.all([closeHttp(), db?.close()])
      .then(() => new Promise<void>((resolve) => node.stop(resolve)))
      .then(() => new Promise<void>((resolve) => ports.tracer.close(lastSpansMsMax, resolve)))
      .then(() => closeAudit('node-stopped'))
      .then(() => secret?.close())
      .then(() => tokenFile?.close())
      .then(() => certificates?.close())
      .then(() => end?.resolve())
    return stopping
  }
  await new Promise<void>((resolve, reject) => {
    node.start(
      {
        http,
        rebuild: options.rebuild === true,
        onFatal: (problem) => {
          ports.log.error({ code: problem.code, hint: problem.hint }, problem.message)
          secret?.close()
          tokenFile?.close()
          certificates?.close()
          void Promise.all([closeHttp(), db?.close()])
            .then(() => closeAudit('node-ended', { code: problem.code }))
            .then(() => end?.reject(problem))
        },
        onLeft: () => void stop(),
      },
      (problem) => {
        if (problem === undefined) resolve()
        else
          void closeHttp()
            .then(() => closeAudit('node-ended', { code: problem.code }))
            .then(() => reject(problem))
      },
    )
  })
  audit?.recordOwn('node-started', { version: packageVersion(), pid: process.pid })
  secret?.watch(ports.log, (ids) => audit?.recordOwn('secret-keys-changed', { ...ids }))
  certificates?.watch(ports.log)
  tokenFile?.watch(ports.log, (tokens) => {
    node.authority.demandTokens(tokens)
    audit?.recordOwn('token-file-changed', { tokens: tokens.map(({ principal: { id, name } }) => ({ id, name })) })
  })
  const reachedAt = (): Endpoint => settings.advertisePeer ?? node.peer
  return {
    get id() {
      return node.id ?? ''
    },
    http,
    get peer() {
      return reachedAt()
    },
    node,
    get db() {
      db ??= new Database(
        {
          ...ports,
          streams: knowingItself(ports.streams, reachedAt(), nameOf(settings)),
          random: ports.random('client'),
        },
        {
          ...toClientSettings([reachedAt()], { cluster: settings.cluster }),
          helloAsMember: (identity) => node.helloOfClient(identity),
        },
      )
      if (stopping !== undefined) void db.close()
      return db
    },
    reload: () => {
      audit?.reopen()
      secret?.reload()
      tokenFile?.reload()
      certificates?.reload()
    },
    stop,
    stopped,
  }
}

function openAudit(settings: Settings, ports: Ports, nodeId: () => string | undefined): AuditLog | undefined {
  const { auditLog: path, auditData: data } = settings
  try {
    return openAuditLog(ports, { path, data, node: { name: nameOf(settings), id: nodeId } })
  } catch (error) {
    throw new StartProblem(
      'audit-log-unusable',
      `the audit log ${path} cannot be opened: ${(error as Error).message}`,
      'make its directory, and let the user that runs the node write there; or choose another --audit-log',
    )
  }
}

/** The client of a node begins at that node, whose certificate may be for its name. */
function knowingItself(streams: Streams, at: Endpoint, name: string): Streams {
  return {
    connect: (to, handlers, done, names = []) =>
      streams.connect(to, handlers, done, to === at ? [...names, name] : names),
    listen: (...given) => streams.listen(...given),
  }
}

/** @throws {InvalidParameter} a file cannot be used: nothing was touched */
function certificatesOf(settings: Settings): CertificateFiles | undefined {
  const { tlsCert: cert, tlsKey: key, tlsCa: ca, advertisePeer, peer } = settings
  if (cert === undefined && key === undefined && ca === undefined) return undefined
  const host = parseEndpoint(advertisePeer ?? peer)?.host
  return new CertificateFiles({ cert, key, ca }, [nameOf(settings), ...(host === undefined ? [] : [host])])
}

/** Nodes know each other by certificates where there is an authority, else by the secret; a certificate alone is for clients. */
function securityOf(
  { tlsCa }: Settings,
  secret: SecretFile | undefined,
  certificates: CertificateFiles | undefined,
): PlatformSettings['security'] {
  if (secret === undefined && certificates === undefined) return undefined
  const dialsWith = tlsCa !== undefined ? 'certificate' : secret !== undefined ? 'secret' : 'nothing'
  return { keyring: secret?.keyring, certificates, dialsWith }
}

function flagsOf(options: StartNodeOptions): Record<string, string> {
  const flags: Record<string, string> = {}
  for (const name of settingNames) {
    if (name === 'config') continue
    const value = options[name]
    if (value !== undefined) flags[settingsSchema[name].flag] = Array.isArray(value) ? value.join(',') : String(value)
  }
  return flags
}

/** What the last spans may take when the node stops. */
const lastSpansMsMax = 2_000

function nameOf({ name, advertisePeer, peer }: Settings): string {
  return name ?? advertisePeer ?? peer
}

function nodeSettings(settings: Settings): NodeSettings {
  const { cluster, peer, advertisePeer, join, expect, zone, weight, replicas, partitions, readRepair } = settings
  const { hints, antiEntropy, tombstoneGrace, keepOldCopies } = settings
  return {
    cluster,
    name: nameOf(settings),
    peer,
    advertisePeer,
    join,
    expect,
    zone,
    weight,
    replicas,
    partitions,
    readRepair,
    hints: hints === 'on',
    antiEntropy: antiEntropy === 'on',
    tombstoneGraceSeconds: tombstoneGrace,
    oldCopiesKeptSeconds: keepOldCopies,
    version: packageVersion(),
    slowRequestMs: settings.slowRequestMs,
    clientLimits: {
      ...clientLimitsOff,
      requestsPerSecond: settings.clientRequestsPerSecond,
      bytesPerSecond: settings.clientBytesPerSecond,
      requestsInFlightMax: settings.clientRequestsInFlight,
    },
    addressConnectionsMax: settings.addressConnections,
    isInsecure: settings.insecure && exposuresOf(settings).length > 0,
    asksForCertificates: settings.tlsCa !== undefined,
    hasCertificate: settings.tlsCert !== undefined,
  }
}

async function serveHttp(
  node: StarlingNode,
  ports: Ports,
  {
    audit,
    certificates,
  }: { readonly audit: AuditLog | undefined; readonly certificates: CertificateFiles | undefined },
  settings: Settings,
): Promise<HttpServer> {
  const { http: at, corsOrigins } = settings
  const { metrics, log, hash, tracer } = ports
  const https = certificates === undefined ? undefined : httpsOf(certificates)
  const random = ports.random('request-ids')
  const limits = { connectionsPerAddressMax: settings.addressConnections }
  const hostNames = hostNamesOf(settings)
  const parts = { node, metrics, log, hash, tracer, audit, random, https }
  const server = createHttpServer({ ...parts, limits, corsOrigins, hostNames })
  await new Promise<void>((resolve, reject) => {
    server.listen(at, (failure) => {
      if (failure === undefined) return resolve()
      const isInUse = failure.kind === 'in-use'
      const message = isInUse ? `${at} is in use by another process` : `cannot listen at ${at}: ${failure.message}`
      reject(new StartProblem(isInUse ? 'address-in-use' : 'address-unusable', message, 'choose another --http'))
    })
  })
  return server
}

/**
 * Where a node trusts everybody on its machine, a web page must not be taken for somebody there because its own name leads
 * to 127.0.0.1. Undefined: names do not matter, for whoever asks must show something, or strangers come in anyway.
 */
function hostNamesOf({ http, advertiseHttp, tokenFile, tlsCa }: Settings): readonly string[] | undefined {
  if (!isLoopback(http) || tokenFile !== undefined || tlsCa !== undefined) return undefined
  return [http, advertiseHttp].flatMap((endpoint) =>
    endpoint === undefined ? [] : (parseEndpoint(endpoint)?.host ?? []),
  )
}

function withPort(asked: Endpoint, bound: Endpoint | undefined): Endpoint {
  const parsed = parseEndpoint(asked)
  const found = bound === undefined ? undefined : parseEndpoint(bound)
  if (parsed === undefined || found === undefined || parsed.port !== 0) return asked
  return formatEndpoint(parsed.host, found.port)
}
