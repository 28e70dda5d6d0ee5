import type { LineFile } from '../ports/line-file.ts'
import type { Ports } from '../ports/ports.ts'
import { type AuditedData, AuditLog } from '../security/audit-log.ts'
import { declareAuditMetrics } from '../security/audit-metrics.ts'
import { openLineFile } from './line-file.ts'

export interface AuditFileOptions {
  /** Undefined: there is none, and its metrics stay at 0. */
  readonly path: string | undefined
  readonly data: AuditedData
  readonly node: { readonly name: string; readonly id: () => string | undefined }
}

/**
 * The audit log in the file of `options`. Trouble with it later is logged, and stops nobody.
 * @throws Error of the system when the file cannot be opened
 */
export function openAuditLog(
  { log, time, metrics }: Pick<Ports, 'log' | 'time' | 'metrics'>,
  { path, data, node }: AuditFileOptions,
): AuditLog | undefined {
  let file: LineFile | undefined
  const declared = declareAuditMetrics(metrics, () => file)
  if (path === undefined) return undefined
  let audit: AuditLog | undefined
  file = openLineFile(path, {
    onFailing: (reason) =>
      log.error(
        { file: path, reason },
        'the audit log cannot be written: the node goes on, and nobody sees who does what',
      ),
    onLost: (lines) => audit?.noteLost(lines),
    onMended: () => {
      log.warn({ file: path }, 'the audit log can be written again')
      audit?.mended()
    },
  })
  audit = new AuditLog({ file, time, metrics: declared, data, node })
  return audit
}
