import type { Log } from '../../lib/ports/log.ts'
import type { SimulatedMetrics } from '../../lib/simulator/simulated-metrics.ts'
import type { HistoryRecord } from '../checkers/history.ts'
import { nodeNames } from './node-names.ts'

/** Ids, numbers and the names of nodes: what differs from one run to the next. */
const particular = new RegExp(`\\b([0-9a-f]{8,}(, [0-9a-f]{8,})*|\\d+|${nodeNames.join('|')})\\b`, 'g')

/**
 * Counts by name what happened in a run: what nodes counted and logged, what clients were told, what was broken. A rare
 * path that no run of many takes is not tested by any of them (FoundationDB calls these code probes). Nothing in a node
 * knows of them: they are what every operator could see.
 */
export class Probes {
  readonly #counts = new Map<string, number>()

  hit(name: string, times = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + times)
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }

  /** The same log, of which every message counts. */
  listening(log: Log): Log {
    return {
      debug: (fields, message) => this.#heard(fields, message, log.debug.bind(log)),
      info: (fields, message) => this.#heard(fields, message, log.info.bind(log)),
      warn: (fields, message) => this.#heard(fields, message, log.warn.bind(log)),
      error: (fields, message) => this.#heard(fields, message, log.error.bind(log)),
    }
  }

  takeCounters(metrics: SimulatedMetrics): void {
    for (const { name, labels, value } of metrics.counted()) {
      // Who the other node was is no path of its own.
      const kinds = labels.filter((label) => !/^[a-z]{3}(:\d+)?$/.test(label))
      this.hit(['counted', name.replace(/^starling_|_total$/g, ''), ...kinds].join(' '), value)
    }
  }

  takeHistory(records: readonly HistoryRecord[]): void {
    for (const { t, p, f, v, error, vals, tries } of records) {
      if (p === 'nemesis') {
        this.hit(`done ${f}`)
        if (f === 'mid-move') this.hit(`done mid-move when ${(v as { moment: string }).moment}`)
      } else if (typeof p === 'number') {
        if (error !== undefined) this.hit(`told ${f} ${t} ${error}`)
        if ((vals?.length ?? 0) > 1) this.hit('told siblings')
        if ((tries ?? 0) > 1) this.hit(`told ${f} ${t} after a retry`)
      }
    }
  }

  #heard(fields: Readonly<Record<string, unknown>>, message: string, log: Log['info']): void {
    this.hit(`said ${message.replace(particular, '*')}`)
    log(fields, message)
  }
}
