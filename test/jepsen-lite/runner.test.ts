import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { bugsIn } from '../../jepsen-lite/bugs-in-logs.ts'
import { buildId } from '../../jepsen-lite/build-id.ts'
import { type CellOptions, runCell, whyNot } from '../../jepsen-lite/cell.ts'
import { checkRun, readRun } from '../../jepsen-lite/check.ts'
import { type Command, commandOf, usage } from '../../jepsen-lite/command-line.ts'
import { type FaultNote, faultsOf } from '../../jepsen-lite/faults.ts'
import {
  matrixDirectory,
  networkFor,
  runMatrix,
  seedOf,
  spread,
  worstOf,
  writeTable,
} from '../../jepsen-lite/matrix.ts'
import { nemeses } from '../../jepsen-lite/nemeses/index.ts'
import { type Capability, capabilityNames, type Nemesis } from '../../jepsen-lite/nemesis.ts'
import { notLookedAt } from '../../jepsen-lite/not-looked-at.ts'
import { HistoryRecorder } from '../../jepsen-lite/recorder.ts'
import type { RunRecord } from '../../jepsen-lite/run-directory.ts'
import { RunScope } from '../../jepsen-lite/run-scope.ts'
import { strikeFor } from '../../jepsen-lite/strikes.ts'
import { type Evidence, judge } from '../../jepsen-lite/verdict.ts'
import { type NamedResult, timedResults, type Workload } from '../../jepsen-lite/workload.ts'
import { workloads } from '../../jepsen-lite/workloads/index.ts'
import { type ClusterState, type HistoryRecord, parseHistory } from '../checkers/history.ts'
import { plainly } from '../fixtures/plain-program.ts'
import { scratchDirectory } from '../platform/fixtures/scratch.ts'

t.jobs = 2

const program = fileURLToPath(import.meta.resolve('../../jepsen-lite/run.js'))

t.test('a workload under a nemesis on real processes', { timeout: 170_000 }, async (t) => {
  const directory = join(scratchDirectory(t), 'run')
  const story: string[] = []
  const workload = called(workloads, 'sibling-set')
  const nemesis = called(nemeses, 'kill-one')
  const setting = { network: 'proxy', nodes: 3, seconds: 8, seed: 7, rate: 150 } as const
  const capabilities = having('proxy', 'signals')
  const run = await runCell(
    { ...setting, workload, nemesis, directory },
    { capabilities, say: (line) => story.push(line), opened: (scope) => t.teardown(() => scope.close()) },
  )
  const records = parseHistory(readFileSync(join(directory, 'history.jsonl'), 'utf8'))

  t.test('is not invalid, and has compared something for each promise', async (t) => {
    // A machine that is slow enough makes it unknown, and lets clients give up: that is no fault of what is tested.
    const timed: readonly string[] = Object.values(timedResults)
    const broken = run.results.filter(({ name, valid }) => valid === false && !timed.includes(name))
    const findings = run.findings.filter(({ verdict }) => verdict === 'invalid')
    t.same([...broken, ...findings], [], { reasons: run.reasons, story })
    t.ok(run.results.length >= 3)
    for (const { name, compared } of run.results) t.ok(compared > 0, name, { story })
  })

  t.test('tells in its history of the faults, with their ends, and of the node that was killed', async (t) => {
    const faults = faultsOf(records)
    t.ok(faults.length >= 1, 'a fault')
    for (const { name, nodes, isEndKnown } of faults) {
      t.same([name, nodes.length, isEndKnown], ['kill-one', 1, true])
    }
    t.ok(run.bites.some(({ count }) => count > 0))
  })

  t.test('has looked at three copies of every key before it read it through each node', async (t) => {
    const keys = new Set(records.filter(({ p, f }) => p === 'probe' && f === 'replica-get').map(({ k }) => k))
    const copies = records.filter(({ f }) => f === 'replica-get')
    const reads = records.filter(({ t, final }) => t === 'ok' && final === true)
    t.equal(copies.length, 3 * keys.size)
    t.equal(new Set(reads.map(({ k, node }) => `${k} ${node}`)).size, 3 * keys.size)
    t.ok((copies.at(-1)?.i ?? 0) < (records.find(({ final }) => final)?.i ?? 0))
  })

  t.test('has asked each node twice, after these reads, what it has left to do', async (t) => {
    const probes = records.filter(({ p, f }) => p === 'probe' && f === 'node')
    t.same(
      probes.map(({ node }) => node),
      ['n1', 'n2', 'n3', 'n1', 'n2', 'n3'],
    )
    t.match(probes[0]?.v, { hints: 0, hintsFor: {}, repairs: Number, epoch: Number })
    t.ok((probes[0]?.i ?? 0) > (records.findLast(({ final }) => final)?.i ?? Number.POSITIVE_INFINITY))
  })

  t.test('leaves a report and the logs, and no process', async (t) => {
    t.match(readFileSync(join(directory, 'report.html'), 'utf8'), /sibling-set/)
    for (const name of ['n1', 'n2', 'n3']) t.ok(existsSync(join(directory, 'logs', `${name}.log`)), name)
    const { stdout } = spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
    t.notOk((stdout ?? '').includes(directory), 'nothing runs on its data')
  })

  t.test('is judged the same again without a cluster', async (t) => {
    const again = checkRun(directory, workloads)
    t.same([again.verdict, again.reasons], [run.verdict, run.reasons])
    t.same(again.results, readRun(directory).results)
  })

  t.test('is invalid when its final reads had shown nothing of a key', async (t) => {
    const victim = records.find(({ t, f, p }) => t === 'ok' && f === 'put' && typeof p === 'number')
    const lines = records.map((record) =>
      record.final && record.t === 'ok' && record.k === victim?.k ? { ...record, vals: [] } : record,
    )
    writeFileSync(join(directory, 'history.jsonl'), lines.map((record) => `${JSON.stringify(record)}\n`).join(''))
    const { verdict, results } = checkRun(directory, workloads)
    t.equal(verdict, 'invalid')
    t.ok(results.some(({ violations }) => violations.some(({ key }) => key === victim?.k)))
  })
})

t.test('the verdict', async (t) => {
  t.test('is valid when everything was compared and nothing was wrong', async (t) => {
    t.same(verdictOf({}), { verdict: 'valid', reasons: [] })
  })

  t.test('is unknown, with the reason, when the run proves nothing', async (t) => {
    t.match(verdictOf({ results: [result('acks', 'unknown')] }), doubt(/acks: there was nothing/))
    t.match(verdictOf({ bites: [] }), doubt(/nothing shows that kill-one was felt/))
    t.match(verdictOf({ bites: [{ what: 'killed', count: 0 }] }), doubt(/nothing shows/))
    t.match(verdictOf({ lagP99Ms: 50.1 }), doubt(/late by 50.1 ms/))
    t.match(verdictOf({ seconds: 10 }), doubt(/only 20 operations succeeded, fewer than 50/))
    t.match(verdictOf({ findings: [{ verdict: 'unknown', reason: 'the strike failed' }] }), doubt(/the strike failed/))
  })

  t.test('needs no bite of the nemesis that does nothing', async (t) => {
    t.equal(verdictOf({ nemesis: 'none', bites: [] }).verdict, 'valid')
  })

  t.test('is invalid for one broken promise, whatever else is in doubt', async (t) => {
    const broken = verdictOf({ results: [result('acks', 'unknown'), result('copies', false)], bites: [] })
    t.equal(broken.verdict, 'invalid')
    t.match(broken.reasons[0], /copies: 1 violations, the first: n1 has nothing/)
    t.equal(verdictOf({ findings: [{ verdict: 'invalid', reason: 'n2 ended by itself' }] }).verdict, 'invalid')
    const late = { lagP99Ms: 51 }
    t.equal(verdictOf({ ...late, results: [result('copies', false)] }).verdict, 'invalid')
    t.equal(verdictOf({ ...late, results: [result('endings', false)] }).verdict, 'unknown', 'it was late itself')
  })
})

t.test('a node that logs a bug makes a run invalid, once for each node', async (t) => {
  const bug = '{"level":"error","stack":"InvariantViolation: a dot is issued once"}'
  t.same(bugsIn('n1', '{"level":"info","msg":"ready"}\n'), [])
  t.match(bugsIn('n1', `${bug}\n${bug}\n`), [{ verdict: 'invalid', reason: /^n1 logged a bug \(2 times\): .*dot/ }])
})

t.test('a nemesis', { timeout: 30_000 }, async (t) => {
  t.test('is told of from before it struck until it was undone, and always undone', async (t) => {
    const { scope, recorder } = runIn(t)
    let active = 0
    const nemesis = striking(async () => {
      active += 1
      const undo = async (): Promise<void> => {
        active -= 1
      }
      return { what: 'it struck', nodes: ['n1'], undo }
    })
    t.same(await strikeFor(scope, partsOf(nemesis, recorder), 4), [])
    t.equal(active, 0)
    const [fault] = faultsOf(recorder.records)
    t.match(fault, { name: 'striking', what: 'it struck', nodes: ['n1'], isEndKnown: true })
    t.ok((fault?.toNs ?? 0) - (fault?.fromNs ?? 0) >= 1e9, 'it lasted')
  })

  t.test('tells who is in reach of whom only while nothing changes, and only if it can', async (t) => {
    const told = async (cluster: ClusterState | undefined): Promise<unknown> => {
      const { scope, recorder } = runIn(t)
      const undo = async (): Promise<void> => {}
      await strikeFor(
        scope,
        partsOf(
          striking(async () => ({ what: '', nodes: [], cluster, undo })),
          recorder,
        ),
        2,
      )
      return recorder.records.slice(0, 5).map(({ v, cluster }) => [(v as FaultNote).phase, cluster])
    }
    const unknown = [
      ['changes', undefined],
      ['begun', undefined],
    ]
    const parted = { down: [], cuts: [['n1', 'n2']] } as const
    t.same(await told(parted), [
      ...unknown,
      ['stands', parted],
      ['changes', undefined],
      ['ended', { down: [], cuts: [] }],
    ])
    t.same(await told(undefined), [...unknown, ['stands', undefined], ['changes', undefined], ['ended', undefined]])
  })

  t.test('that fails leaves a doubt', async (t) => {
    const { scope, recorder } = runIn(t)
    const nemesis = striking(() => Promise.reject(new Error('no such link')))
    const findings = await strikeFor(scope, partsOf(nemesis, recorder), 2)
    t.match(findings[0], { verdict: 'unknown', reason: /striking number 1 could not be begun: no such link/ })
  })
})

t.test('what a run has made is taken back', async (t) => {
  t.test('last first, whatever fails, and before anybody who closes it goes on', async (t) => {
    const { scope } = runIn(t)
    const done: string[] = []
    scope.teardown(() => sleep(5).then(() => done.push('network')))
    scope.teardown(() => Promise.reject(new Error('is busy')))
    scope.teardown(() => sleep(5).then(() => done.push('node')))
    const interrupted = scope.close()
    await scope.close()
    t.same(done, ['node', 'network'])
    await interrupted
  })

  t.test('also when it was made after the run was interrupted', async (t) => {
    const { scope } = runIn(t)
    await scope.close()
    const done: string[] = []
    scope.teardown(() => done.push('mount'))
    t.same(done, ['mount'])
  })
})

t.test('a run that is interrupted takes everything back before it ends', { timeout: 120_000 }, async (t) => {
  const store = scratchDirectory(t)
  const words = ['--workload', 'sibling-set', '--nemesis', 'none', '--nodes', '1', '--time', '300', '--store', store]
  const child = spawn(...plainly(program, words), { stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  let story = ''
  for await (const part of child.stderr.setEncoding('utf8')) {
    story += part
    if (story.includes('n1 are ready')) child.kill('SIGTERM')
  }
  t.same(await ended, [143, null], story)
  const [name = ''] = readdirSync(store)
  t.ok(existsSync(join(store, name, 'logs', 'n1.log')), 'the node was stopped, and what it logged was kept')
  const { stdout } = spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
  t.notOk((stdout ?? '').includes(store), 'nothing runs on its data')
})

t.test('a cell that the machine cannot run', async (t) => {
  const nemesis = { ...striking(unreachable), needs: ['faketime'] } as const
  const proxyOnly = { ...striking(unreachable), networks: ['proxy'] } as const

  t.test('says what is missing', async (t) => {
    t.same(whyNot(nemesis, 'proxy', having('proxy', 'faketime')), [])
    t.same(whyNot(nemesis, 'proxy', having('proxy')), ['faketime: not here'])
    t.same(whyNot(nemesis, 'netns', having('faketime')), ['namespaces: not here'])
    t.match(whyNot(proxyOnly, 'netns', having('namespaces')), [/needs --net proxy/])
  })

  t.test('is skipped with the reason, and starts nothing', async (t) => {
    const directory = join(scratchDirectory(t), 'run')
    const run = await runCell(cellOf(nemesis, directory), { capabilities: having('proxy'), say: () => {} })
    t.match(run, { verdict: 'skipped', reasons: ['faketime: not here'], results: [] })
    t.match(readRun(directory), { verdict: 'skipped' })
    t.equal(checkRun(directory, workloads).verdict, 'skipped')
  })

  t.test('is run on the network that can have it, unless one is asked for', async (t) => {
    t.equal(networkFor(undefined, nemesis, having('proxy', 'namespaces', 'faketime')), 'netns')
    t.equal(networkFor(undefined, proxyOnly, having('proxy', 'namespaces')), 'proxy')
    t.equal(networkFor(undefined, nemesis, having('proxy', 'faketime')), 'proxy')
    t.equal(networkFor('netns', nemesis, having('proxy')), 'netns')
  })
})

t.test('a matrix', async (t) => {
  t.test('is as bad as its worst cell; what was skipped says nothing', async (t) => {
    t.equal(worstOf(['valid', 'unknown', 'invalid']), 'invalid')
    t.equal(worstOf(['valid', 'unknown']), 'unknown')
    t.equal(worstOf(['skipped', 'valid']), 'valid')
    t.equal(worstOf(['skipped']), 'skipped')
  })

  t.test('goes on where it stopped, and writes its table', async (t) => {
    const store = scratchDirectory(t)
    const workload = called(workloads, 'sibling-set')
    // Whatever is run here at all, lacks something: so it is skipped.
    const done: Nemesis = { ...striking(unreachable), name: 'halves', needs: ['signals'] }
    const absent: Nemesis = { ...done, name: 'clock-bump', needs: ['faketime'] }
    const setting = { nodes: 3, seconds: 5, seed: 1, rate: 100, network: 'proxy', store } as const
    const table = async (isAgain: boolean, shown: Partial<RunRecord>, seed = 1): Promise<unknown> => {
      leave(matrixDirectory(store), workload, done, shown)
      await runMatrix(
        { ...setting, seed, workloads: [workload], nemeses: [done, absent], isFresh: false, isAgain, cells: undefined },
        { capabilities: having('proxy'), say: () => {} },
      )
      return (await writeTable(store))?.table
    }
    const verdicts = (first: string): unknown => ({ cells: [{ verdict: first }, { verdict: 'skipped' }] })
    t.match(await table(false, { verdict: 'valid' }), { ...(verdicts('valid') as object), verdict: 'valid' })
    t.match(await table(false, { verdict: 'unknown' }), verdicts('unknown'))
    t.match(await table(true, { verdict: 'unknown' }), verdicts('skipped'), 'again')
    t.match(await table(false, { verdict: 'valid', nodes: 5 }), verdicts('skipped'), 'of another setting')
    t.match(await table(false, { verdict: 'valid' }, 2), verdicts('skipped'), 'of another seed')
    t.match(await table(false, { verdict: 'valid', build: 'another' }), verdicts('skipped'), 'of other code')
    const written = JSON.parse(readFileSync(join(matrixDirectory(store), 'matrix.json'), 'utf8'))
    t.match(written.cells[1], { nemesis: 'clock-bump', directory: 'sibling-set-clock-bump', reasons: [/faketime/] })
    t.match(readFileSync(join(matrixDirectory(store), 'matrix.md'), 'utf8'), /clock-bump/)
    t.ok(existsSync(join(matrixDirectory(store), 'matrix.html')))
  })

  t.test('has a table of all that its directory holds of the code that ran last, in its own order', async (t) => {
    const store = scratchDirectory(t)
    const before = '2025-04-30T10:00:00.000Z'
    t.equal(await writeTable(store), undefined, 'nothing was run')
    for (const [workload, nemesis, shown] of [
      ['ttl', 'pause', { operations: { ok: 90, fail: 7, info: 3 }, faults: 4 }],
      ['ttl', 'halves', { operations: { ok: 400, fail: 0, info: 0 }, faults: 5 }],
      ['sibling-set', 'pause', { verdict: 'unknown', reasons: ['nobody felt it'] }],
      ['sibling-set', 'halves', { verdict: 'invalid', build: 'an earlier one', startedAt: before }],
    ] as const) {
      leave(matrixDirectory(store), called(workloads, workload), called(nemeses, nemesis), shown)
    }
    const written = await writeTable(store)
    t.match(written?.table, { verdict: 'unknown', build: buildId() })
    t.same(
      written?.table.cells.map(({ directory }) => directory),
      ['sibling-set-pause', 'ttl-halves', 'ttl-pause'],
    )
    t.match(written?.text, /^\| halves \| {13}\| V {3}\|$/m)
    t.match(written?.text, /^\| pause {2}\| U {11}\| V {3}\|$/m)
    t.match(written?.text, /^3 runs: 1 unknown, 2 valid; 500 operations; 9 faults/m)
    t.match(run('matrix', '--print', '--store', store), { status: 2, stdout: /^3 runs: 1 unknown/m })
  })

  t.test('that is not run as a whole takes each row as often as the others, and each column', async (t) => {
    for (const [rows, columns] of [
      [11, 26],
      [4, 6],
      [6, 4],
      [1, 5],
      [3, 3],
    ] as const) {
      const cells = spread([...Array(rows).keys()], [...Array(columns).keys()])
      t.equal(new Set(cells.map(String)).size, rows * columns, 'every cell once')
      for (let count = 1; count <= cells.length; count += 1) {
        const taken = cells.slice(0, count)
        for (const [axis, size] of [
          [0, rows],
          [1, columns],
        ] as const) {
          const often = Array.from({ length: size }, (_, at) => taken.filter((cell) => cell[axis] === at).length)
          if (Math.max(...often) - Math.min(...often) > 1) t.fail(`${count} cells of ${rows} x ${columns}: ${often}`)
        }
      }
    }
  })
})

t.test('the command line', async (t) => {
  t.test('says what is to be run', async (t) => {
    t.match(commandFor('--workload w --nemesis x'), {
      type: 'cell',
      workload: 'w',
      nemesis: 'x',
      setting: { nodes: 5, seconds: 60, seed: 1, rate: 400, network: undefined },
    })
    t.match(commandFor('--workload w --nemesis y --nodes 3 --time 20 --seed 9 --net netns --store d --rate 50'), {
      setting: { nodes: 3, seconds: 20, seed: 9, rate: 50, network: 'netns', store: 'd' },
    })
    t.match(commandFor('matrix'), { workloads: ['w', 'v'], nemeses: ['x', 'y'], setting: { seconds: 30 } })
    t.match(commandFor('matrix --cells 3'), { cells: 3 })
    t.same(commandFor('matrix --print --store d'), { type: 'table', store: 'd' })
    t.match(commandFor('matrix --nemeses y --workloads v,w --again'), {
      workloads: ['v', 'w'],
      nemeses: ['y'],
      isAgain: true,
      isFresh: false,
    })
    t.same(commandFor('check some/run'), { type: 'check', directory: 'some/run' })
    t.same(commandFor('list'), { type: 'list' })
    t.same([commandFor('--help'), commandFor('matrix -h')], [{ type: 'help' }, { type: 'help' }])
  })

  t.test('refuses what makes no sense, and says why', async (t) => {
    for (const [words, problem] of [
      ['--workload w', /needs --workload and --nemesis/],
      ['--workload w --nemesis z', /no nemesis z; there are x, y/],
      ['--workload w --nemesis x --nodes 0', /--nodes is a whole number, 1 to 9/],
      ['--workload w --nemesis x --time 1e3', /--time/],
      ['--workload w --nemesis x --seed -1', /--seed/],
      ['--workload w --nemesis x --net tcp', /--net is netns or proxy/],
      ['--workload w --nemesis x --fresh', /takes no --fresh/],
      ['matrix --print --cells 3', /--print takes no --cells/],
      ['matrix --cells 0', /--cells is a whole number/],
      ['--speed 9', /--speed/],
      ['check', /one run directory/],
      ['check a b', /one run directory/],
      ['list all', /list takes no all/],
      ['prove', /no command prove/],
    ] as const) {
      t.match(commandFor(words), { type: 'misuse', problem }, words)
    }
  })

  t.test('ends with 64 and the usage then', async (t) => {
    const { status, stderr } = run('--workload', 'sibling-set', '--nemesis', 'nonsense')
    t.equal(status, 64)
    t.match(stderr, /no nemesis nonsense/)
    t.ok(stderr.includes(usage))
    t.match(run('check', scratchDirectory(t)), { status: 64, stderr: /no run directory/ })
  })
})

t.test('the code that ran has a name, which any change of it changes', async (t) => {
  const root = t.testdir({
    bin: { 'a.js': 'a' },
    lib: { 'b.js': 'b', 'b.d.ts': 'types' },
    'jepsen-lite': { 'c.js': 'c', report: { 'd.js': 'd' } },
    test: { checkers: { 'e.js': 'e' } },
  })
  const first = buildId(root)
  t.equal(buildId(root), first)
  writeFileSync(join(root, 'jepsen-lite/report/d.js'), 'shown otherwise')
  t.equal(buildId(root), first)
  writeFileSync(join(root, 'lib/b.js'), 'another')
  t.not(buildId(root), first)
})

t.test('what was written and not looked at in the end leaves a doubt', async (t) => {
  const whole = looked()
  const other = { ...whole[1], k: 'other', i: 9 } as HistoryRecord
  t.same(notLookedAt(whole), [])
  t.match(notLookedAt([...whole, other]), [/1 written key had no final read, such as other/, /not every owner.* other/])
  t.match(notLookedAt(whole.slice(0, -1)), [/1 written key had no final read, such as k/], 'the history was cut')
  const third = { ...whole[3], k: 'other', node: 'n3', i: 9 } as HistoryRecord
  t.match(notLookedAt([...whole, third, { ...third, node: 'n2' }, { ...third, node: 'n1' }]), [/not every owner.* k$/])
})

function run(...words: readonly string[]) {
  return spawnSync(...plainly(program, words), { encoding: 'utf8' })
}

function commandFor(words: string): Command {
  return commandOf(words.split(' '), { workloads: ['w', 'v'], nemeses: ['x', 'y'] })
}

function called<Named extends { readonly name: string }>(all: readonly Named[], name: string): Named {
  const one = all.find((other) => other.name === name)
  if (one === undefined) throw new Error(`there is no ${name}`)
  return one
}

function having(...names: readonly string[]): readonly Capability[] {
  return capabilityNames.map((name) => ({ name, isThere: names.includes(name), detail: 'not here' }))
}

/** One key, written once, as its two owners have it, and read in the end. */
function looked(): readonly HistoryRecord[] {
  const base = { p: 1, f: 'put', k: 'k', vid: 'a' } as const
  return [
    { t: 'invoke', ...base },
    { t: 'ok', ...base },
    { t: 'ok', p: 'probe', f: 'replica-get', k: 'k', node: 'n1' },
    { t: 'ok', p: 'probe', f: 'replica-get', k: 'k', node: 'n2' },
    { t: 'ok', p: 2, f: 'get', k: 'k', vals: ['a'], final: true },
  ].map((record, i) => ({ ...record, i, ns: i }) as HistoryRecord)
}

function verdictOf(shown: Partial<Evidence> & { readonly results?: readonly NamedResult[] }): {
  readonly verdict: string
  readonly reasons: readonly string[]
} {
  const { results = [result('acks', true)], ...rest } = shown
  const workload: Workload = { ...called(workloads, 'sibling-set'), check: () => results }
  const bites = [{ what: 'killed', count: 1 }]
  const evidence = { nemesis: 'kill-one', seconds: 4, rate: 100, bites, lagP99Ms: 3, findings: [], ...rest }
  const { verdict, reasons } = judge(workload, evidence, reads(20))
  return { verdict, reasons }
}

function reads(count: number): readonly HistoryRecord[] {
  return Array.from({ length: 2 * count }, (_, i) => {
    return { i, t: i % 2 === 0 ? 'invoke' : 'ok', p: 1, f: 'get', k: 'a', vals: [], ns: i } as const
  })
}

function result(name: string, valid: NamedResult['valid']): NamedResult {
  const violation = { check: 'not-converged', key: 'a', values: [], at: 0, message: 'n1 has nothing' }
  return { name, valid, violations: valid === false ? [violation] : [], compared: valid === 'unknown' ? 0 : 9 }
}

function doubt(reason: RegExp): unknown {
  return { verdict: 'unknown', reasons: [reason] }
}

function runIn(t: Test): { readonly scope: RunScope; readonly recorder: HistoryRecorder } {
  const scope = new RunScope(scratchDirectory(t), 1, () => {})
  t.teardown(() => scope.close())
  return { scope, recorder: new HistoryRecorder(scope) }
}

function striking(strike: Nemesis['strike']): Nemesis {
  return { name: 'striking', summary: 'of this test', needs: [], strike, bites: async () => [] }
}

/** Nothing is to be struck, or the test ends here. */
async function unreachable(): Promise<never> {
  throw new Error('nothing runs that could be struck')
}

function partsOf(nemesis: Nemesis, recorder: HistoryRecorder): Parameters<typeof strikeFor>[1] {
  const nothing = (): Promise<never> => Promise.reject(new Error('there is no cluster'))
  const stage = {
    directory: '',
    nodes: [],
    network: undefined as never,
    fraction: () => 0.5,
    cli: nothing,
    addNode: nothing,
    dismiss: nothing,
    teardown: () => {},
    say: () => {},
  }
  return { nemesis, stage, recorder }
}

function cellOf(nemesis: Nemesis, directory: string): CellOptions {
  const workload = called(workloads, 'sibling-set')
  return { workload, nemesis, network: 'proxy', nodes: 3, seconds: 5, seed: 1, rate: 100, directory }
}

/** A run as an earlier matrix with seed 1 left it. */
function leave(directory: string, workload: Workload, nemesis: Nemesis, shown: Partial<RunRecord>): void {
  const path = join(directory, `${workload.name}-${nemesis.name}`)
  mkdirSync(path, { recursive: true })

  const record: RunRecord = {
    apiVersion: 'v1',
    workload: workload.name,
    nemesis: nemesis.name,
    network: 'proxy',
    nodes: 3,
    seconds: 5,
    seed: seedOf(1, workload, nemesis),
    rate: 100,
    startedAt: '2025-05-01T10:00:00.000Z',
    version: '0.0.0',
    build: buildId(),
    nodeVersion: process.version,
    capabilities: [],
    verdict: 'valid',
    reasons: [],
    results: [],
    bites: [],
    lagP99Ms: 0,
    findings: [],
    ...shown,
  }
  writeFileSync(join(path, 'run.json'), JSON.stringify(record))
}
