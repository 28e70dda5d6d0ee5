import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import type { Database } from '../../lib/client/database.ts'
import { connect } from '../../lib/connect.ts'
import { formatSecretKey } from '../../lib/security/keyring.ts'
import { TestAuthority } from '../fixtures/certificates.ts'
import { eventually, NodeProcess } from '../node/fixtures/real-nodes.ts'
import { CertificateDirectory } from '../platform/fixtures/certificate-directory.ts'
import { Cluster, type Member } from './kit/cluster.ts'
import type { Lab } from './kit/lab.ts'
import { Operator } from './kit/operator.ts'
import type { Scenario } from './kit/scenario.ts'

const size = 5
const shownWithinMs = 30_000
const takesWritesWithinMs = 60_000
const inFlightMax = 1_000
const keysAtOnce = 200

export const rotateSecret: Scenario = {
  name: 'rotate-secret',
  summary:
    'five nodes get another secret under load, by add, use and remove: no write fails, and no order cuts anybody off',
  seconds: 5,
  run: runSecret,
}

export const rotateCertificates: Scenario = {
  name: 'rotate-certificates',
  summary: 'five nodes get other certificates under load, and then those of another authority: no write fails',
  seconds: 5,
  run: runCertificates,
}

async function runSecret(lab: Lab): Promise<void> {
  const { seconds, rate } = lab.options
  const first = formatSecretKey(crypto.getRandomValues(new Uint8Array(32)))
  const fileOf = (name: string): string => join(lab.directory, `${name}.secret`)
  const cluster = await Cluster.start(lab, {
    size,
    surroundings: (name) => {
      writeFileSync(fileOf(name), `${first}\n`, { mode: 0o600 })
      return { env: { STARLING_SECRET_FILE: fileOf(name) } }
    },
  })
  const { members } = cluster
  const operator = new Operator(lab, () => cluster.running)
  const connected = async (secret: string): Promise<Database> => {
    const seeds = members.map(({ peer }) => peer)
    const made = await connect(seeds, { secret, connectTimeoutMs: takesWritesWithinMs, deadlineMs: 10_000 })
    lab.teardown(() => made.close())
    return made
  }
  const keysIn = ({ name }: Member): readonly string[] =>
    readFileSync(fileOf(name), 'utf8')
      .split('\n')
      .filter((line) => /^[\w-]{43}$/.test(line))

  let db = await connected(first)
  const writes = new Writes(lab, () => db, rate)
  await sleep(seconds * 1000)
  const { nodes } = (await operator.json(['secret', 'status'])) as { nodes: readonly { readonly sendsWith: string }[] }
  const old = nodes[0]?.sendsWith ?? ''
  const added = (await operator.json(['secret', 'rotate', 'add', '--yes'])) as { key: string }
  lab.claim(
    'every node has both keys',
    members.every((member) => keysIn(member).length === 2),
  )
  const early = await operator.run(['secret', 'rotate', 'remove', old, '--yes'])
  lab.claim('to remove the key that all send with is refused', early.code !== 0, `exit code ${early.code}`)
  await sleep(seconds * 1000)
  await operator.do(['secret', 'rotate', 'use', added.key, '--yes'])
  // A program whose secret is changed connects anew, with the new one.
  const second = keysIn(members[0] as Member).find((key) => key !== first) ?? ''
  db = await connected(second)
  await sleep(seconds * 1000)
  await operator.do(['secret', 'rotate', 'remove', old, '--yes'])
  await sleep(2 * seconds * 1000)
  await claimWrites(lab, writes, db, rate)
  lab.claim(
    'every node has the new key alone, also in its file',
    members.every((member) => keysIn(member).join() === second),
  )
  lab.claim(
    'the nodes are up',
    members.every(({ isRunning }) => isRunning),
  )
}

async function runCertificates(lab: Lab): Promise<void> {
  const { seconds, rate } = lab.options
  const authority = new TestAuthority()
  const another = new TestAuthority('another authority')
  const secretFile = join(lab.directory, 'key-of-the-cluster')
  writeFileSync(secretFile, `${formatSecretKey(crypto.getRandomValues(new Uint8Array(32)))}\n`, { mode: 0o600 })
  const names = Array.from({ length: size }, (_, at) => `node-${at + 1}`)
  const files = names.map((name) => new CertificateDirectory(lab, authority, authority.issue(name)))
  const nodes: NodeProcess[] = []
  for (const [at, name] of names.entries()) {
    const { cert, key, ca } = (files[at] as CertificateDirectory).paths
    const words = ['--name', name, '--data', join(lab.directory, name), '--expect', String(size)]
    const joining = nodes.length === 0 ? [] : ['--join', (nodes[0] as NodeProcess).peer]
    const locks = ['--secret-file', secretFile, '--tls-cert', cert, '--tls-key', key, '--tls-ca', ca]
    nodes.push(await NodeProcess.start(lab, [...words, ...joining, ...locks, '--log-level', 'info']))
    lab.logs.set(name, () => nodes[at]?.log ?? '')
  }
  const shown = authority.issue('somebody', { names: ['somebody'], purposes: ['clientAuth'] })
  const both = `${authority.cert}${another.cert}`
  const db = await connect(
    nodes.map(({ peer }) => peer),
    { tls: { ca: both, ...shown }, connectTimeoutMs: takesWritesWithinMs, deadlineMs: 10_000 },
  )
  lab.teardown(() => db.close())
  await eventually(
    'the cluster takes writes',
    () =>
      db
        .bucket('b')
        .put('first', Buffer.from('v'), { w: 'all' })
        .then(() => 'written', String),
    (seen) => seen === 'written',
    takesWritesWithinMs,
  )
  const writes = new Writes(lab, () => db, rate)
  await sleep(seconds * 1000)

  const change = async (
    what: string,
    of: (name: string) => Parameters<CertificateDirectory['write']>[0],
  ): Promise<void> => {
    lab.say(what)
    for (const [at, name] of names.entries()) {
      files[at]?.write(of(name))
      // Half of them are told; the others see it by themselves.
      if (at % 2 === 0) nodes[at]?.signal('SIGHUP')
    }
    await sleep(seconds * 1000)
  }
  const serials = async (): Promise<readonly string[]> => Promise.all(nodes.map(({ peer }) => serialAt(peer)))
  const before = await serials()
  await change('other certificates of the same authority', (name) => authority.issue(name))
  await differ(lab, 'every node shows another certificate', before, serials)
  await change('both authorities are believed', () => ({ ca: both }))
  const middle = await serials()
  await change('certificates of the other authority', (name) => another.issue(name))
  await differ(lab, 'every node shows one of the other authority', middle, serials)
  await sleep(seconds * 1000)
  await claimWrites(lab, writes, db, rate)
  lab.claim(
    'the nodes are up',
    nodes.every(({ isRunning }) => isRunning),
  )
}

/** So many writes a second by the client library, however fast the answers come. */
class Writes {
  readonly #timer: NodeJS.Timeout
  readonly #inFlight = new Set<Promise<void>>()
  readonly #failures: string[] = []
  readonly #acknowledged: string[] = []
  #heldBack = 0
  readonly #startedMs = performance.now()

  /** @param db the client to write with, asked at every write */
  constructor(lab: Lab, db: () => Database, rate: number) {
    let sent = 0
    const one = async (key: string): Promise<void> => {
      try {
        await db().bucket('b').put(key, Buffer.from(key))
        this.#acknowledged.push(key)
      } catch (error) {
        this.#failures.push(String(error))
      }
    }
    this.#timer = setInterval(() => {
      const due = ((performance.now() - this.#startedMs) / 1000) * rate
      for (; sent < due; sent += 1) {
        if (this.#inFlight.size >= inFlightMax) {
          this.#heldBack += 1
          continue
        }
        const done: Promise<void> = one(`k/${sent}`).finally(() => this.#inFlight.delete(done))
        this.#inFlight.add(done)
      }
    }, 10)
    lab.teardown(() => clearInterval(this.#timer))
  }

  /** Resolves when all that were sent have ended. */
  async stop() {
    clearInterval(this.#timer)
    await Promise.all(this.#inFlight)
    const seconds = (performance.now() - this.#startedMs) / 1000
    return { acknowledged: this.#acknowledged, failures: this.#failures, heldBack: this.#heldBack, seconds }
  }
}

async function claimWrites(lab: Lab, writes: Writes, db: Database, rate: number): Promise<void> {
  const { acknowledged, failures, heldBack, seconds } = await writes.stop()
  lab.measure('writes acknowledged', acknowledged.length, 'writes')
  lab.measure('writes a second', acknowledged.length / seconds, 'writes/s')
  lab.measure('writes not sent because the nodes were too slow', heldBack, 'writes')
  lab.mustHaveSeen('writes meanwhile', acknowledged.length, rate)
  lab.claim(
    'no write fails beyond the retries of its client',
    failures.length === 0,
    failures.length === 0 ? `none of ${acknowledged.length}` : `${failures.length}, the first: ${failures[0]}`,
  )
  let lost = 0
  for (let from = 0; from < acknowledged.length; from += keysAtOnce) {
    const keys = acknowledged.slice(from, from + keysAtOnce)
    const found = await Promise.all(keys.map((key) => db.bucket('b').get(key)))
    for (const [at, one] of found.entries()) {
      if (!one?.siblings.some(({ value }) => Buffer.from(value).toString() === keys[at])) lost += 1
    }
  }
  lab.claim('every acknowledged write reads back by a quorum', lost === 0, `${acknowledged.length} keys, ${lost} lost`)
}

async function differ(
  lab: Lab,
  claim: string,
  before: readonly string[],
  serials: () => Promise<readonly string[]>,
): Promise<void> {
  const areOther = (seen: readonly string[]): boolean => seen.every((serial, at) => serial !== before[at])
  const seen = await eventually(claim, serials, areOther, shownWithinMs).catch(() => before)
  lab.claim(claim, areOther(seen))
}

/** Of the certificate that is shown there. */
function serialAt(peer: string): Promise<string> {
  const [host = '', port] = peer.split(':')
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}
