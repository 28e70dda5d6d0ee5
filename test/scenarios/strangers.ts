import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from '../../lib/connect.ts'
import { formatSecretKey } from '../../lib/security/keyring.ts'
import { TestAuthority } from '../fixtures/certificates.ts'
import { eventually, json, memberFlags, NodeProcess, ready } from '../node/fixtures/real-nodes.ts'
import { CertificateDirectory } from '../platform/fixtures/certificate-directory.ts'
import type { Lab } from './kit/lab.ts'
import type { Scenario } from './kit/scenario.ts'

const saidWithinMs = 60_000
const takenInMsMax = 60_000

export const strangers: Scenario = {
  name: 'strangers',
  summary:
    'nodes with another secret or none, an expired certificate, one of another authority or of a client, another cluster name: none joins, and logs say why',
  seconds: 10,
  run,
}

interface Stranger {
  readonly name: string
  readonly flags: readonly string[]
  /** What a log of the cluster, or of the stranger, says of it. */
  readonly reason: RegExp
}

async function run(lab: Lab): Promise<void> {
  await besideASecret(lab)
  await besideCertificates(lab)
}

async function besideASecret(lab: Lab): Promise<void> {
  const ours = secretFile(lab, 'secret')
  const nodes = await threeNodes(lab, 'sealed', () => ['--secret-file', ours])
  await ready(nodes)
  lab.mustHaveSeen(
    'nodes that tell of a member they know',
    nodes.filter(({ log }) => ['ada', 'bob', 'cyd'].some((name) => saysThatIsAlive(log, name))).length,
    nodes.length,
  )
  const seed = (nodes[0] as NodeProcess).peer
  const another = secretFile(lab, 'another-secret')
  await keptOut(lab, nodes, seed, [
    {
      name: 'another-secret',
      flags: ['--secret-file', another],
      reason: /other secret|another secret|unknown-key|key [0-9a-f]{8}/,
    },
    { name: 'no-secret', flags: [], reason: /secret/ },
    {
      name: 'another-cluster',
      flags: ['--secret-file', ours, '--cluster', 'elsewhere'],
      reason: /belongs to cluster|wrong-cluster|another cluster/,
    },
  ])
  const { members } = await json(nodes[0] as NodeProcess, '/v1/cluster/status')
  lab.claim('the cluster with a secret knows its three nodes and nobody else', (members as unknown[]).length === 3)
  await Promise.all(nodes.map((node) => node.kill()))
}

async function besideCertificates(lab: Lab): Promise<void> {
  const authority = new TestAuthority()
  const secret = secretFile(lab, 'secret-beside-certificates')
  const flagsOf = (made: ReturnType<TestAuthority['issue']>, by = authority): readonly string[] => {
    const { cert, key, ca } = new CertificateDirectory(lab, by, made).paths
    return ['--secret-file', secret, '--tls-cert', cert, '--tls-key', key, '--tls-ca', ca]
  }
  const nodes = await threeNodes(lab, 'certified', (name) => flagsOf(authority.issue(name)))
  const shown = authority.issue('somebody', { names: ['somebody'], purposes: ['clientAuth'] })
  const peers = nodes.map(({ peer }) => peer)
  const db = await connect(peers, { tls: { ca: authority.cert, ...shown }, connectTimeoutMs: takenInMsMax })
  lab.teardown(() => db.close())
  const put = (): Promise<unknown> => db.bucket('b').put('k', Buffer.from('v'), { w: 'all' })
  await eventually(
    'the cluster with certificates takes writes',
    () => put().then(() => 'written', String),
    (seen) => seen === 'written',
    takenInMsMax,
  )
  const another = new TestAuthority('another authority')
  const day = 24 * 3_600_000
  const lapsed = { from: new Date(Date.now() - 2 * day), until: new Date(Date.now() - 60_000) }
  await keptOut(lab, nodes, peers[0] as string, [
    { name: 'lapsed', flags: flagsOf(authority.issue('lapsed', lapsed)), reason: /expired/ },
    { name: 'of-another', flags: flagsOf(another.issue('of-another'), another), reason: /certificate|authority/ },
    {
      name: 'client-only',
      flags: flagsOf(authority.issue('client-only', { purposes: ['clientAuth'] })),
      reason: /one of a client|purpose|serverAuth/,
    },
    {
      name: 'another-name',
      flags: flagsOf(authority.issue('somebody-else', { names: ['somebody-else'] })),
      reason: /not for the node it says it is|name/,
    },
  ])
  lab.claim(
    'the nodes with certificates are up',
    nodes.every(({ isRunning }) => isRunning),
  )
  await put()
}

/** Each tries for a while; none becomes a member, and it is said why. */
async function keptOut(lab: Lab, nodes: readonly NodeProcess[], seed: string, all: readonly Stranger[]): Promise<void> {
  for (const { name, flags, reason } of all) {
    const data = join(lab.directory, name)
    const words = ['--name', name, '--data', data, '--join', seed, '--log-level', 'warn', ...flags]
    let said = ''
    const lines = (text: string): readonly string[] => text.split('\n').filter((line) => reason.test(line))
    let stranger: NodeProcess | undefined
    try {
      stranger = await NodeProcess.start(lab, words)
    } catch (error) {
      // It does not even start.
      said = String(error)
    }
    const before = nodes.map(({ log }) => log.length)
    const look = async (): Promise<string> => {
      const theirs = nodes.flatMap(({ log }, at) => lines(log.slice(before[at])))
      return theirs[0] ?? lines(stranger?.log ?? said)[0] ?? ''
    }
    const line = await eventually(
      `somebody says why ${name} is kept out`,
      look,
      (seen) => seen !== '',
      saidWithinMs,
    ).catch(() => '')
    lab.claim(`a log says why ${name} is kept out`, line !== '', messageOf(line))
    if (stranger === undefined) continue
    await new Promise((resolve) => setTimeout(resolve, (lab.options.seconds * 1000) / all.length))
    const knows = nodes.filter(({ log }) => saysThatIsAlive(log, name))
    const members = await membersAt(stranger)
    lab.claim(
      `no node of the cluster knows a member ${name}, and it knows nobody`,
      knows.length === 0 && members.length <= 1,
    )
    await stranger.kill()
  }
}

/** The line in which a node tells of a member that it has not known, or that has come back. */
function saysThatIsAlive(log: string, name: string): boolean {
  return log.split('\n').some((line) => line.includes(`"name":"${name}"`) && line.includes('"msg":"member is alive"'))
}

/** As it sees them itself; none where it asks for certificates that we do not show. */
async function membersAt(node: NodeProcess): Promise<readonly string[]> {
  try {
    const { members } = await json(node, '/v1/cluster/status')
    return (members as readonly { readonly name: string }[]).map(({ name }) => name)
  } catch {
    return []
  }
}

async function threeNodes(
  lab: Lab,
  kind: string,
  flags: (name: string) => readonly string[],
): Promise<readonly NodeProcess[]> {
  const start = (name: string, join?: string): Promise<NodeProcess> =>
    NodeProcess.start(lab, [
      ...memberFlags(name, `${lab.directory}/${kind}-${name}`, join),
      // Of every member that it hears of, a node says so.
      ...['--log-level', 'info'],
      ...flags(name),
    ])
  const first = await start('ada')
  lab.logs.set(`ada ${kind}`, () => first.log)
  return [first, ...(await Promise.all([start('bob', first.peer), start('cyd', first.peer)]))]
}

function secretFile(lab: Lab, name: string): string {
  const path = join(lab.directory, `${name}.key`)
  writeFileSync(path, `${formatSecretKey(crypto.getRandomValues(new Uint8Array(32)))}\n`, { mode: 0o600 })
  return path
}

/** What it says, without the rest of its line. */
function messageOf(line: string): string {
  const found = /\{.*\}/.exec(line)?.[0] ?? ''
  try {
    const { msg, message, reason, problem } = JSON.parse(found) as Readonly<Record<string, string>>
    const said = [msg ?? message, reason ?? problem].filter((part) => part !== undefined).join('; ')
    // Where the file lies says nothing.
    return said.replaceAll(/\/\S+\/(?=[\w.-]+\.pem)/g, '')
  } catch {
    return line.slice(0, 160)
  }
}
