import t from 'tap'
import { Admission, admissionLimitsDefault, type RequestKind } from '../../../lib/protocol/overload/admission.ts'
import { StandingDelay } from '../../../lib/protocol/overload/standing-delay.ts'
import { WaitingLine } from '../../../lib/protocol/overload/waiting-line.ts'

t.test('a delay is standing', async (t) => {
  const delay = new StandingDelay({ targetMs: 20, intervalMs: 60 })
  t.test('when everything waited too long for a while, not when something did', async (t) => {
    delay.observe(500, 0)
    t.equal(delay.isStanding(0), false, 'a burst')
    delay.observe(20, 59)
    t.equal(delay.isStanding(59), false)
    t.equal(delay.isStanding(60), true)
  })
  t.test('until something waited for less than half of that', async (t) => {
    delay.observe(10, 100)
    t.equal(delay.isStanding(100), true, 'what is turned away at the target keeps the wait just below it')
    delay.observe(9, 101)
    t.equal(delay.isStanding(101), false)
    delay.observe(20, 102)
    t.equal(delay.isStanding(161), false, 'counted anew')
    t.equal(delay.isStanding(162), true)
  })
})

t.test('a line gives back in order what was put in', async (t) => {
  const line = new WaitingLine<number>()
  const taken: (number | undefined)[] = []
  for (let number = 0; number < 1000; number += 1) {
    line.push(number)
    if (number % 3 === 0) taken.push(line.shift())
  }
  t.equal(line.length, 1000 - 334)
  t.equal(line.first, 334)
  while (line.length > 0) taken.push(line.shift())
  t.same(
    taken,
    Array.from({ length: 1000 }, (_, number) => number),
  )
  t.equal(line.shift(), undefined)
})

t.test('a node with time for everybody', async (t) => {
  t.test('begins all that comes, at once', async (t) => {
    const node = new Loop({ costMs: 1 })
    for (let second = 0; second < 3; second += 1) node.offer({ perSecond: { write: 250, read: 250 }, seconds: 1 })
    t.same(node.shed, { forwarded: 0, write: 0, read: 0 })
    t.equal(node.begun.write + node.begun.read, 1500)
    t.ok(node.longestWaitMs < 5, `the longest wait was ${node.longestWaitMs} ms`)
    t.equal(node.admission.isPressed(node.nowMs), false)
  })
  t.test('lets a burst wait, and turns none of it away', async (t) => {
    const node = new Loop({ costMs: 0.5 })
    node.arrive({ write: 50, read: 50 })
    node.idle(200)
    t.same(node.shed, { forwarded: 0, write: 0, read: 0 })
    t.equal(node.begun.write + node.begun.read, 100)
    t.ok(node.longestWaitMs > admissionLimitsDefault.delayTargetMs, 'they waited longer than they should for ever')
  })
  t.test('even one that takes a second and a half: it drains', async (t) => {
    const node = new Loop({ costMs: 1.5 })
    node.arrive({ read: 1000 })
    node.idle(2000)
    t.same(node.shed, { forwarded: 0, write: 0, read: 0 })
    t.equal(node.begun.read, 1000)
  })
  t.test('and a hundred clients who ask again when they are answered', async (t) => {
    const admission = new Admission<number>()
    const times: string[] = []
    for (let nowMs = 0, asked = 0; nowMs < 3000; nowMs += 1) {
      while (asked < 100 + nowMs) {
        times.push(admission.arrive('read', asked, false, nowMs))
        asked += 1
      }
      // One a millisecond, as slowly as they come.
      admission.next(false, nowMs, nowMs)
      t.equal(admission.nextOverdue(nowMs), undefined)
      admission.endTurn(nowMs)
    }
    t.notOk(times.includes('shed'))
  })
})

t.test('a few requests are not too much, however slow this process is', async (t) => {
  const node = new Loop({ costMs: 30 })
  node.offer({ perSecond: { write: 20, read: 20 }, seconds: 1.5 })
  t.same(node.shed, { forwarded: 0, write: 0, read: 0 })
})

t.test('at three times what a node can do', async (t) => {
  const node = new Loop({ costMs: 1 })
  node.offer({ perSecond: { write: 1500, read: 1500 }, seconds: 1 })
  const waitedAtFirstMs = node.longestWaitMs
  node.waitingMax = 0
  const shedAtFirst = node.shed.write + node.shed.read
  const shedOnArrivalAtFirst = node.shedOnArrival
  node.offer({ perSecond: { write: 1500, read: 1500 }, seconds: 1 })
  const { begun, shed } = node
  t.test('it is as busy as it can be, with what it finishes', async (t) => {
    t.ok(begun.write + begun.read > 1900, `${begun.write + begun.read} of 2000 were begun`)
  })
  t.test('nobody waits long, neither to begin nor to be turned away', async (t) => {
    t.ok(
      waitedAtFirstMs <= admissionLimitsDefault.standingAfterMs,
      `${waitedAtFirstMs} ms, until it is seen that it is no burst`,
    )
    const settledMs = node.waitsMs.slice(node.waitsMs.length >> 1)
    t.ok(Math.max(...settledMs) < 2 * admissionLimitsDefault.delayTargetMs, `${Math.max(...settledMs)} ms later on`)
  })
  t.test('reads are turned away before writes, but not all of them', async (t) => {
    t.ok(shed.read / (shed.read + begun.read) > 1.3 * (shed.write / (shed.write + begun.write)))
    t.ok(begun.read > begun.write / 4, `${begun.read} reads beside ${begun.write} writes`)
  })
  t.test('most of what is turned away is so on arrival, before anything is kept for it', async (t) => {
    const onArrival = node.shedOnArrival - shedOnArrivalAtFirst
    const all = shed.write + shed.read - shedAtFirst
    t.ok(onArrival > 0.3 * all, `${onArrival} of ${all}`)
  })
  t.test('the line is short', async (t) => {
    t.ok(node.waitingMax < 200, `${node.waitingMax} waited at most`)
  })
  t.test('work in the background pauses, and goes on a second after it is over', async (t) => {
    t.equal(node.admission.isPressed(node.nowMs), true)
    node.idle(100)
    t.equal(node.admission.waiting, 0)
    t.equal(node.admission.isPressed(node.nowMs), true)
    node.idle(admissionLimitsDefault.backgroundPauseMs)
    t.equal(node.admission.isPressed(node.nowMs), false)
  })
  t.test('afterwards it begins all that comes, as before', async (t) => {
    const shedBefore = { ...node.shed }
    node.longestWaitMs = 0
    node.offer({ perSecond: { write: 300, read: 300 }, seconds: 1 })
    t.same(node.shed, shedBefore)
    t.ok(node.longestWaitMs < 5)
  })
})

t.test('at three times what a node can do, most of it for one key', async (t) => {
  const node = new Loop({ costMs: 1 })
  const load = { perSecond: { read: 3000 }, seconds: 2 }
  node.offer({ ...load, askerOf: (number) => (number % 10 === 0 ? `quiet ${number % 70}` : 'hot') })
  node.fate.clear()
  node.offer({ ...load, askerOf: (number) => (number % 10 === 0 ? `quiet ${number % 70}` : 'hot') })
  t.test('those for others are served', async (t) => {
    const quiet = node.fate.get('quiet') ?? [0, 0]
    t.ok(quiet[0] >= 0.95 * (quiet[0] + quiet[1]), `${quiet[0]} begun, ${quiet[1]} turned away`)
  })
  t.test('and what is left goes to that key: nothing is wasted', async (t) => {
    const [begun] = node.fate.get('hot') ?? [0]
    t.ok(begun > 1300, `${begun} of about 1400`)
  })
  t.test('which is known', async (t) => t.equal(node.admission.isKeyDominant(node.nowMs), true))
  t.test('alone, it has all there is', async (t) => {
    const before = node.begun.read
    node.offer({ ...load, askerOf: () => 'hot' })
    t.ok(node.begun.read - before > 1900, `${node.begun.read - before} of 2000`)
  })
  t.test('many that ask for the same share it as before: none is favoured', async (t) => {
    node.fate.clear()
    node.offer({ ...load, askerOf: (number) => (number % 10 === 0 ? `quiet ${number}` : `other ${number % 900}`) })
    node.fate.clear()
    node.offer({ ...load, askerOf: (number) => (number % 10 === 0 ? `quiet ${number}` : `other ${number % 900}`) })
    t.equal(node.admission.isKeyDominant(node.nowMs), false)
    const [begun, shed] = node.fate.get('quiet') ?? [0, 0]
    t.ok(begun < 0.6 * (begun + shed), `${begun} begun, ${shed} turned away`)
  })
})

t.test('what was too much before a pause says nothing about a burst behind it', async (t) => {
  const node = new Loop({ costMs: 1 })
  node.offer({ perSecond: { write: 1500, read: 1500 }, seconds: 3 })
  node.idle(60_000)
  const shedBefore = { ...node.shed }
  t.ok(shedBefore.read > 0)
  node.arrive({ write: 200, read: 200 })
  node.idle(2_000)
  t.same(node.shed, shedBefore)
})

t.test('also where a turn of its event loop is longer than what is counted at a time', async (t) => {
  const node = new Loop({ costMs: 1, readMs: 0.2, otherMs: 600 })
  node.offer({ perSecond: { write: 1500, read: 1500 }, seconds: 5 })
  const shedBefore = node.shed.write + node.shed.read
  const onArrivalBefore = node.shedOnArrival
  node.waitingMax = 0
  node.offer({ perSecond: { write: 1500, read: 1500 }, seconds: 5 })
  const shed = node.shed.write + node.shed.read - shedBefore
  t.ok(node.shedOnArrival - onArrivalBefore > 0.9 * shed, `${node.shedOnArrival - onArrivalBefore} of ${shed}`)
  t.ok(node.waitingMax < 200, `${node.waitingMax} waited at most`)
})

t.test('a little more than a node can do costs reads alone', async (t) => {
  const node = new Loop({ costMs: 1 })
  node.offer({ perSecond: { write: 600, read: 600 }, seconds: 3 })
  t.equal(node.shed.write, 0)
  t.ok(node.shed.read > 0)
})

t.test('background work pauses before any request is turned away', async (t) => {
  const node = new Loop({ costMs: 1 })
  let pausedAtMs = Number.POSITIVE_INFINITY
  let shedAtMs = Number.POSITIVE_INFINITY
  for (let ms = 0; ms < 2000; ms += 10) {
    node.offer({ perSecond: { write: 600, read: 600 }, seconds: 0.01 })
    if (node.admission.isPressed(node.nowMs)) pausedAtMs = Math.min(pausedAtMs, node.nowMs)
    if (node.shed.read > 0) shedAtMs = Math.min(shedAtMs, node.nowMs)
  }
  t.ok(pausedAtMs < shedAtMs, `paused at ${pausedAtMs} ms, shed at ${shedAtMs} ms`)
  t.ok(Number.isFinite(shedAtMs))
})

t.test('what another node has admitted comes before what is new', async (t) => {
  const node = new Loop({ costMs: 1 })
  node.offer({ perSecond: { forwarded: 500, write: 1000, read: 500 }, seconds: 2 })
  t.equal(node.shed.forwarded, 0)
  t.ok(node.shed.write > 0)
  t.ok(node.begun.forwarded >= 990)
})

t.test('a flood of what others forward leaves room for those who come straight', async (t) => {
  const node = new Loop({ costMs: 1 })
  node.offer({ perSecond: { forwarded: 2000, write: 500, read: 500 }, seconds: 2 })
  t.ok(node.begun.write > 200, `${node.begun.write} writes`)
  t.ok(node.begun.read > 400, `${node.begun.read} reads`)
  t.ok(node.begun.forwarded > 1000, `${node.begun.forwarded} forwarded`)
})

t.test('while as much is under way as may be', async (t) => {
  t.test('nothing begins, and who waits too long is turned away', async (t) => {
    const admission = new Admission<string>()
    t.equal(admission.arrive('write', 'a', true, 0), 'wait')
    t.equal(admission.next(true, 0, 0), undefined)
    t.equal(admission.nextOverdue(2000), undefined)
    t.match(admission.nextOverdue(2001), { work: 'a', kind: 'write', waitedMs: 2001 })
    t.equal(admission.waiting, 0)
  })
})

t.test('the line has an end', async (t) => {
  const admission = new Admission<number>({ ...admissionLimitsDefault, waitingMax: 3 })
  const verdicts = [0, 1, 2, 3].map((number) => admission.arrive('read', number, true, 0))
  t.same(verdicts, ['wait', 'wait', 'wait', 'shed'])
})

interface Rates {
  readonly forwarded?: number
  readonly write?: number
  readonly read?: number
}

/** An event loop in which a request costs `costMs` when it is begun: what has come meanwhile is seen in the next turn. */
class Loop {
  readonly admission = new Admission<number>()
  readonly begun: Record<RequestKind, number> = { forwarded: 0, write: 0, read: 0 }
  readonly shed: Record<RequestKind, number> = { forwarded: 0, write: 0, read: 0 }
  readonly waitsMs: number[] = []
  longestWaitMs = 0
  waitingMax = 0
  shedOnArrival = 0
  nowMs = 0
  readonly #costMs: number
  readonly #readMs: number
  readonly #otherMs: number
  #due: { readonly kind: RequestKind; readonly atMs: number; readonly asker: string }[] = []
  /** By the first word of what is asked for: how many were begun, and turned away. */
  readonly fate = new Map<string, [begun: number, shed: number]>()
  readonly #askers = new Map<number, string>()

  /** @param options.readMs what it costs to read one @param options.otherMs what else is done in each turn */
  constructor(options: { readonly costMs: number; readonly readMs?: number; readonly otherMs?: number }) {
    this.#costMs = options.costMs
    this.#readMs = options.readMs ?? 0
    this.#otherMs = options.otherMs ?? 0
  }

  offer(load: { readonly perSecond: Rates; readonly seconds: number; askerOf?: (number: number) => string }): void {
    const { askerOf = () => '' } = load
    let number = 0
    const endMs = this.nowMs + load.seconds * 1000
    for (const kind of ['forwarded', 'write', 'read'] as const) {
      const everyMs = 1000 / (load.perSecond[kind] ?? 0)
      for (let atMs = this.nowMs + everyMs / 2; atMs < endMs; atMs += everyMs) {
        this.#due.push({ kind, atMs, asker: askerOf(number) })
        number += 1
      }
    }
    this.#due.sort((a, b) => a.atMs - b.atMs)
    while (this.nowMs < endMs) this.#turn(endMs)
  }

  arrive(rates: Rates): void {
    for (const kind of ['forwarded', 'write', 'read'] as const) {
      for (let number = 0; number < (rates[kind] ?? 0); number += 1) {
        this.#due.push({ kind, atMs: this.nowMs, asker: '' })
      }
    }
  }

  idle(ms: number): void {
    const endMs = this.nowMs + ms
    while (this.nowMs < endMs) this.#turn(endMs)
  }

  #turn(endMs: number): void {
    const { admission } = this
    const isBusy = admission.waiting > 0 || (this.#due[0]?.atMs ?? Number.POSITIVE_INFINITY) <= this.nowMs
    if (!isBusy) {
      this.nowMs = Math.min(endMs, this.#due[0]?.atMs ?? endMs)
      if (this.nowMs === endMs) return
    }
    const polledMs = this.nowMs
    const seen = this.#due.filter(({ atMs }) => atMs <= polledMs)
    this.#due = this.#due.filter(({ atMs }) => atMs > polledMs)
    this.nowMs += this.#otherMs
    for (const { kind, atMs, asker } of seen) {
      this.nowMs += this.#readMs
      this.#askers.set(atMs, asker)
      const verdict = admission.arrive(kind, atMs, false, this.nowMs, asker, 'the one client of all')
      if (verdict === 'begin') this.#begin(kind, atMs)
      if (verdict !== 'shed') continue
      this.shedOnArrival += 1
      this.#turnAway(kind, atMs)
    }
    this.waitingMax = Math.max(this.waitingMax, admission.waiting)
    const intakeBeganMs = this.nowMs
    for (let next = admission.next(false, intakeBeganMs, this.nowMs); next !== undefined; ) {
      this.#begin(next.kind, next.work)
      next = admission.next(false, intakeBeganMs, this.nowMs)
    }
    for (let late = admission.nextOverdue(this.nowMs); late !== undefined; ) {
      this.#turnAway(late.kind, late.work)
      late = admission.nextOverdue(this.nowMs)
    }
    admission.endTurn(this.nowMs)
  }

  #begin(kind: RequestKind, atMs: number): void {
    this.begun[kind] += 1
    this.#note(atMs, 0)
    this.nowMs += this.#costMs
  }

  #turnAway(kind: RequestKind, atMs: number): void {
    this.shed[kind] += 1
    this.#note(atMs, 1)
  }

  #note(atMs: number, how: 0 | 1): void {
    const [asker = ''] = (this.#askers.get(atMs) ?? '').split(' ')
    const counts = this.fate.get(asker) ?? [0, 0]
    counts[how] += 1
    this.fate.set(asker, counts)
    this.waitsMs.push(this.nowMs - atMs)
    this.longestWaitMs = Math.max(this.longestWaitMs, this.nowMs - atMs)
  }
}
