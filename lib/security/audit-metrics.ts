import type { LineFile } from '../ports/line-file.ts'
import type { CounterCell, Metrics } from '../ports/metrics.ts'
import type { AuditKind } from './audit-log.ts'

export interface AuditMetrics {
  readonly records: (kind: AuditKind) => CounterCell
  readonly lost: CounterCell
  readonly refusalsLeftOut: CounterCell
}

/** @param file asked whenever somebody looks; undefined: there is no audit log */
export function declareAuditMetrics(metrics: Metrics, file: () => LineFile | undefined): AuditMetrics {
  metrics.gauge({ name: 'starling_audit_failing', help: '1 while the audit log cannot be written' }, () =>
    file()?.isFailing === true ? 1 : 0,
  )
  metrics.gauge(
    { name: 'starling_audit_waiting_bytes', help: 'Of the audit log, what the disk has not taken yet' },
    () => file()?.waitingBytes ?? 0,
  )
  const records = metrics.counter({
    name: 'starling_audit_records_total',
    help: 'Deeds written to the audit log',
    labels: ['kind'],
  })
  return {
    records: (kind) => records(kind),
    lost: metrics.counter({
      name: 'starling_audit_lost_total',
      help: 'Lines of the audit log that could not be written',
    })(),
    refusalsLeftOut: metrics.counter({
      name: 'starling_audit_refusals_left_out_total',
      help: 'Refusals that the audit log only counts, because there were too many in one second',
    })(),
  }
}
