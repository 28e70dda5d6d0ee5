import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import { type ResolvedSettings, resolveSettings } from '../../lib/settings/resolve-settings.ts'
import { root } from './fixtures/story.ts'

/** The deployment files are read as those would read them who run them; nobody runs them here. */

const deploy = 'examples/deploy'

t.test('every YAML and JSON file can be parsed', async (t) => {
  const files = readdirSync(join(root, deploy), { recursive: true, encoding: 'utf8' })
  const yaml = files.filter((name) => name.endsWith('.yaml'))
  t.ok(yaml.length >= 6)
  for (const name of yaml) t.ok(documentsOf(name).length > 0, name)
  for (const name of files.filter((file) => file.endsWith('.json'))) t.ok(JSON.parse(read(name)), name)
})

t.test('kubernetes: the nodes of the stateful set', async (t) => {
  const all = documentsOf('kubernetes/starling.yaml')
  const kinds = all.map(({ kind }) => kind)
  t.same(kinds.sort(), ['NetworkPolicy', 'PodDisruptionBudget', 'Service', 'Service', 'StatefulSet'])
  const set = all.find(({ kind }) => kind === 'StatefulSet') as Doc
  const container = at(set, 'spec.template.spec.containers.0') as Doc
  const peers = at(set, 'spec.serviceName')
  const headless = all.find(({ kind, metadata }) => kind === 'Service' && (metadata as Doc).name === peers) as Doc

  await t.test('are started with settings that are accepted, and advertise their own names', async (t) => {
    const args = (at(container, 'args') as string[]).map((arg) =>
      arg.replaceAll('$(POD_NAME)', 'starling-0').replaceAll('$(NAMESPACE)', 'prod'),
    )
    const { settings } = settingsOf(t, args, environmentOf(at(container, 'env') as Doc[]))
    t.match(settings, {
      name: 'starling-0',
      join: [`${peers}.prod.svc.cluster.local:7071`],
      advertisePeer: `starling-0.${peers}.prod.svc.cluster.local:7071`,
      advertiseHttp: `starling-0.${peers}.prod.svc.cluster.local:7070`,
      insecure: false,
      secretFile: '/etc/starling/secret',
      tokenFile: '/etc/starling/token',
    })
    t.equal(settings.expect, at(set, 'spec.replicas'), 'as many are expected as are started')
    const mounted = at(container, 'volumeMounts.0') as Doc
    t.equal(settings.data, mounted.mountPath)
    t.equal(mounted.name, at(set, 'spec.volumeClaimTemplates.0.metadata.name'))
    const secrets = (at(container, 'volumeMounts') as Doc[]).find(({ name }) => name === 'secrets')
    t.equal(secrets?.mountPath, '/etc/starling', 'where both files are')
    t.equal(at(set, 'spec.template.spec.volumes.0.name'), 'secrets')
    t.equal(at(set, 'spec.template.spec.volumes.0.secret.defaultMode'), 0o400, 'for the user alone')
    t.same(
      (at(container, 'env') as Doc[]).map(({ name }) => name),
      ['STARLING_TOKEN_FILE', 'POD_NAME', 'NAMESPACE'],
    )
  })
  await t.test('find each other before they are ready, all at once', async (t) => {
    t.equal(at(headless, 'spec.clusterIP'), 'None')
    t.equal(at(headless, 'spec.publishNotReadyAddresses'), true)
    t.equal(at(set, 'spec.podManagementPolicy'), 'Parallel')
    const ports = (at(headless, 'spec.ports') as Doc[]).map(({ port, protocol }) => `${protocol} ${port}`)
    t.same(ports, ['TCP 7071', 'UDP 7071'])
  })
  await t.test('are probed where they answer, and drained before they are stopped', async (t) => {
    t.equal(at(container, 'readinessProbe.httpGet.path'), '/readyz')
    t.equal(at(container, 'livenessProbe.httpGet.path'), '/livez')
    t.equal(at(container, 'startupProbe.httpGet.path'), '/livez')
    const [program, ...words] = at(container, 'lifecycle.preStop.exec.command') as string[]
    t.equal(program, 'starling')
    isCommand(t, words)
    t.ok((at(set, 'spec.template.spec.terminationGracePeriodSeconds') as number) > 60, 'longer than a drain may take')
  })
  await t.test('are selected by everything that speaks of them', async (t) => {
    const labels = at(set, 'spec.template.metadata.labels')
    t.same(at(set, 'spec.selector.matchLabels'), labels)
    for (const one of all.filter(({ kind }) => kind === 'Service')) t.same(at(one, 'spec.selector'), labels)
    const budget = all.find(({ kind }) => kind === 'PodDisruptionBudget') as Doc
    t.same(at(budget, 'spec.selector.matchLabels'), labels)
    t.equal(at(budget, 'spec.maxUnavailable'), 1)
  })
})

t.test('compose: each node is accepted, is reachable under its own name, and knows the others', async (t) => {
  const [compose] = documentsOf('compose/compose.yaml') as [Doc]
  const services = compose.services as Readonly<Record<string, Doc>>
  const nodes = Object.entries(services).filter(([, { command }]) => (command as string[])?.[0] === 'start')
  t.equal(nodes.length, 3)
  for (const [name, service] of nodes) {
    const { settings } = settingsOf(t, service.command as string[], service.environment as Environment)
    const others = nodes.map(([other]) => `${other}:7071`).filter((peer) => peer !== `${name}:7071`)
    t.match(settings, { name, advertisePeer: `${name}:7071`, advertiseHttp: `${name}:7070`, expect: 3, join: others })
    t.match(settings, { insecure: false, secretFile: '/run/secrets/secret', tokenFile: '/run/secrets/token' })
    t.same(service.secrets, ['secret', 'token'])
    t.match(String(service.volumes), `${name}:/var/lib/starling`)
    t.match(JSON.stringify(service.healthcheck), '/readyz')
  }
  const [prometheus] = documentsOf('compose/prometheus.yaml') as [Doc]
  t.same(
    at(prometheus, 'scrape_configs.0.static_configs.0.targets'),
    nodes.map(([name]) => `${name}:7070`),
  )
  t.equal(at(prometheus, 'scrape_configs.0.authorization.credentials_file'), '/run/secrets/token')
  t.same(Object.keys(compose.secrets as Doc), ['secret', 'token'])
  for (const [name, service] of Object.entries(services)) {
    for (const secret of (service.secrets ?? []) as string[]) t.ok(secret in (compose.secrets as Doc), secret)
    for (const port of (service.ports ?? []) as string[]) t.match(port, /^127\.0\.0\.1:/, `${name} is for this machine`)
    for (const volume of (service.volumes ?? []) as string[]) {
      const [source = ''] = volume.split(':')
      if (source.startsWith('./')) t.doesNotThrow(() => readdirOrRead(source), source)
      else t.ok(source in (compose.volumes as Doc), source)
    }
  }
})

t.test('systemd: the unit starts what its settings file allows', async (t) => {
  const { settings } = resolveSettings({ tomlText: read('systemd/starling.toml') })
  const unit = read('systemd/starling.service')
  const settingOf = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? ''
  t.match(settings, { name: 'ada', expect: 3, data: settingOf('WorkingDirectory'), insecure: false })
  t.match(settings, { secretFile: '/etc/starling/secret', tokenFile: '/etc/starling/token' })
  t.equal(settings.auditLog, `/var/log/${settingOf('LogsDirectory')}/audit.log`)
  t.equal(settingOf('WorkingDirectory'), `/var/lib/${settingOf('StateDirectory')}`)
  t.match(settingOf('ExecStart'), /^\/usr\/bin\/starling start --config /)
  settingsOf(t, settingOf('ExecStart').split(' ').slice(1))
  isCommand(t, settingOf('ExecStop').split(' ').slice(1))
  t.ok(Number(settingOf('TimeoutStopSec')) > 60, 'longer than a drain may take')
  for (const line of unit.split('\n')) t.match(line, /^(#.*|\[(Unit|Service|Install)\]|[A-Z]\w+=.*|)$/)
})

t.test('every metric of the dashboard and of the alerts exists, with the labels that they use', async (t) => {
  const { panels } = JSON.parse(read('compose/grafana/dashboards/starling.json')) as { panels: readonly Doc[] }
  const shown = panels.flatMap(({ targets }) => ((targets ?? []) as Doc[]).map(({ expr }) => String(expr)))
  const [alerts] = documentsOf('compose/alerts.yaml') as [Doc]
  const watched = (at(alerts, 'groups.0.rules') as Doc[]).map(({ expr }) => String(expr))
  t.ok(shown.length >= 25 && watched.length >= 6, `${shown.length} queries, ${watched.length} alerts`)
  t.same([...shown, ...watched].flatMap(problemsOf), [])
  t.same(problemsOf('rate(starling_request_total[1m])'), ['starling_request_total is in no docs/metrics.md'])
  t.same(problemsOf('sum by (bucket) (starling_hints)'), ['starling_hints has no label bucket'])
  t.same(problemsOf('starling_hints_bucket'), ['starling_hints is no histogram'])
})

type Doc = Readonly<Record<string, unknown>>

function documentsOf(name: string): readonly Doc[] {
  return parseAllDocuments(read(name), { merge: true, strict: true })
    .map((document) => {
      const [error] = [...document.errors, ...document.warnings]
      if (error !== undefined) throw error
      return document.toJS() as Doc | null
    })
    .filter((document) => document !== null)
}

function at(value: unknown, path: string): unknown {
  return path.split('.').reduce((inner, step) => (inner as Doc | undefined)?.[step], value)
}

type Environment = Readonly<Record<string, string>>

/** As far as it is known before the pod is there. */
function environmentOf(env: readonly Doc[]): Environment {
  return Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])))
}

/** What `starling start` would make of these words. */
function settingsOf(t: Test, words: readonly string[], env: Environment = {}): ResolvedSettings {
  const [command, ...flags] = words
  t.equal(command, 'start')
  // `--name ada` is the same as `--name=ada`.
  const joined = flags
    .join(' ')
    .replaceAll(/ (?!--)/g, '=')
    .split(' ')
  const given = joined.map((word) => {
    const [, name, value] = /^--([a-z-]+)(?:=(.*))?$/.exec(word) ?? []
    t.ok(name, `${word} is a flag`)
    return [name, value ?? true] as const
  })
  return resolveSettings({ flags: Object.fromEntries(given), env })
}

/** A command of docs/cli.md, with flags that stand there; the page is compared with the program by another test. */
function isCommand(t: Test, words: readonly string[]): void {
  const cli = readFileSync(join(root, 'docs/cli.md'), 'utf8')
  const name = words
    .slice(
      0,
      words.findIndex((word) => word.startsWith('--')),
    )
    .join(' ')
  t.match(cli, new RegExp(`^#* ?.*starling ${name}\\b`, 'm'), name)
  for (const flag of words.filter((word) => word.startsWith('--'))) t.match(cli, flag)
}

/** Labels that Prometheus itself adds. */
const ownLabels = ['instance', 'job', 'le']

function problemsOf(query: string): readonly string[] {
  const known = metrics()
  const names = [...query.matchAll(/\bstarling_\w+/g)].map(([name]) => name)
  const labels = [
    ...[...query.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list]) => (list as string).split(/, */)),
    ...[...query.matchAll(/[{,]\s*(\w+)\s*=/g)].map(([, label]) => label as string),
  ].filter((label) => !ownLabels.includes(label))
  if (names.length === 0) return [`${query} asks for nothing of Starling`]
  return names.flatMap((name) => {
    const base = name.replace(/_(bucket|sum|count)$/, '')
    const metric = known.get(name) ?? known.get(base)
    if (metric === undefined) return [`${name} is in no docs/metrics.md`]
    if (known.get(name) === undefined && metric.type !== 'histogram') return [`${base} is no histogram`]
    return labels.filter((label) => !metric.labels.includes(label)).map((label) => `${name} has no label ${label}`)
  })
}

/** The table of docs/metrics.md, which another test compares with a running node. */
function metrics(): ReadonlyMap<string, { readonly type: string; readonly labels: readonly string[] }> {
  const page = readFileSync(join(root, 'docs/metrics.md'), 'utf8')
  const rows = page.matchAll(/^\| `(starling_\w+)(?:\{([\w,]+)\})?` \| (\w+) \|/gm)
  return new Map(
    [...rows].map(([, name, labels, type]) => [
      name as string,
      { type: type as string, labels: labels?.split(',') ?? [] },
    ]),
  )
}

function readdirOrRead(source: string): unknown {
  const path = join(root, deploy, 'compose', source)
  return source.endsWith('.yaml') ? readFileSync(path) : readdirSync(path)
}

function read(name: string): string {
  return readFileSync(join(root, deploy, name), 'utf8')
}
