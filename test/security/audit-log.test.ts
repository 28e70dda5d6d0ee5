import t from 'tap'
import type { LineFile } from '../../lib/ports/line-file.ts'
import { type AuditEntry, type AuditedData, AuditLog, refusalsPerSecondMax } from '../../lib/security/audit-log.ts'
import { declareAuditMetrics } from '../../lib/security/audit-metrics.ts'
import { SimulatedMetrics } from '../../lib/simulator/simulated-metrics.ts'
import { ManualTime } from '../node/fixtures/fake-parts.ts'

t.test('a deed is one line: who, from where, what, on what, and what came of it', async (t) => {
  const { audit, lines } = audited()
  audit.record(deed({ on: { node: 'cyd', action: 'exclude' }, outcome: 'plan-refused' }))
  t.same(lines(), [
    {
      v: 1,
      time: '2026-01-01T00:00:01.000Z',
      node: 'ada',
      nodeId: 'id of ada',
      line: 1,
      kind: 'change',
      operation: 'stage',
      via: 'http',
      who: { id: 'q1', name: 'deploy', role: 'operator' },
      from: '10.0.0.9:1234',
      on: { node: 'cyd', action: 'exclude' },
      outcome: 'plan-refused',
      requestId: 'r1',
    },
  ])
  audit.record(deed({ who: undefined, from: undefined, on: undefined, requestId: undefined }))
  t.match(
    lines()[1],
    { line: 2, who: null, from: null, on: {}, requestId: null },
    'and what is not known stands there as null',
  )
})

t.test('nothing that somebody put into a name ends a line or makes another one', async (t) => {
  const { audit, text, lines } = audited()
  // Lines also end so for Python and others; terminals obey the rest.
  const node = 'a\n{"v":1}\r\u2028\u2029\u0085\u009b2J\u202e\u{e0001}ß漢😀'
  audit.record(deed({ on: { node } }))
  t.notMatch(text(), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
  t.match(text(), /ß漢😀/)
  t.match(lines(), [{ on: { node } }])
})

t.test('of the data as much is written as was asked for', async (t) => {
  for (const [data, kinds] of [
    ['off', ['change', 'refused']],
    ['writes', ['change', 'refused', 'write']],
    ['all', ['change', 'refused', 'write', 'read']],
  ] as const) {
    const { audit, lines, cells } = audited(data)
    for (const kind of ['change', 'refused', 'write', 'read'] as const) audit.record(deed({ kind }))
    t.same(
      lines().map(({ kind }) => kind),
      kinds,
    )
    t.equal(cells.value('starling_audit_records_total', 'write'), data === 'off' ? 0 : 1)
  }
})

t.test('a flood of strangers fills no disk: so many refusals a second, and how many more there were', async (t) => {
  const { audit, lines, time, cells } = audited()
  const stranger = deed({ kind: 'refused', who: undefined, outcome: 'unauthenticated' })
  for (let count = 0; count < 5_000; count += 1) audit.record(stranger)
  audit.record(deed({}))
  t.equal(lines().length, refusalsPerSecondMax + 1, 'and what is no refusal is written whatever happens')
  time.pass(1_000)
  t.match(lines().at(-1), { kind: 'left-out', refusals: 5_000 - refusalsPerSecondMax })
  t.equal(cells.value('starling_audit_refusals_left_out_total'), 5_000 - refusalsPerSecondMax)
  time.pass(60_000)
  t.equal(lines().length, refusalsPerSecondMax + 2, 'quiet when they are')
  audit.record(stranger)
  t.match(lines().at(-1), { kind: 'refused' }, 'and the next one is written again')
  for (let count = 0; count < 20; count += 1) audit.record(stranger)
  audit.close(() => {})
  t.match(lines().at(-1), { kind: 'left-out', refusals: 21 - refusalsPerSecondMax }, 'an end tells what was counted')
})

t.test('lines have numbers, and those that could not be written are told of', async (t) => {
  const { audit, lines, cells } = audited()
  audit.recordOwn('node-started', { version: '0.1.0' })
  audit.mended()
  audit.noteLost(11)
  audit.noteLost(1)
  audit.mended()
  audit.mended()
  t.match(lines(), [
    { line: 1, kind: 'change', via: 'node', operation: 'node-started', on: { version: '0.1.0' } },
    { line: 2, kind: 'lost', lines: 12 },
  ])
  t.equal(lines().length, 2)
  t.equal(cells.value('starling_audit_lost_total'), 12)
})

function deed(changes: Partial<AuditEntry>): AuditEntry {
  return {
    kind: 'change',
    operation: 'stage',
    via: 'http',
    who: { id: 'q1', name: 'deploy', role: 'operator', scopes: undefined, expiresAtMs: undefined },
    from: '10.0.0.9:1234',
    on: {},
    outcome: 'ok',
    requestId: 'r1',
    ...changes,
  }
}

function audited(data: AuditedData = 'off') {
  const written: string[] = []
  const file: LineFile = {
    append: (line) => written.push(line),
    reopen: () => {},
    waitingBytes: 0,
    isFailing: false,
    close: (done) => done(),
  }
  const time = new ManualTime()
  const cells = new SimulatedMetrics()
  const audit = new AuditLog({
    file,
    time,
    metrics: declareAuditMetrics(cells, () => file),
    data,
    node: { name: 'ada', id: () => 'id of ada' },
  })
  const lines = (): Record<string, unknown>[] => written.map((line) => JSON.parse(line))
  return { audit, lines, text: () => written.join(''), time, cells }
}
