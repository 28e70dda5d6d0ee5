import type { ShownOperation } from './shown-operation.ts'

/** How times, counts and operations read on a page. */

export function secondsText(ns: number): string {
  return `${(ns / 1e9).toFixed(3)} s`
}

export function durationText(ns: number): string {
  if (!Number.isFinite(ns)) return 'never'
  const ms = ns / 1e6
  if (ms < 10) return `${ms.toFixed(2)} ms`
  return ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`
}

export function countText(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ' ')
}

/** `1 write`, `2 writes`. */
export function plural(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? '' : 's'}`
}

export function listText(values: readonly string[], most = 12): string {
  if (values.length === 0) return 'nothing'
  if (values.length <= most) return values.join(', ')
  return `${values.slice(0, most).join(', ')} and ${values.length - most} more`
}

export const outcomeWords = { ok: 'ok', fail: 'fail: not applied', info: 'info: nobody knows' } as const

/** One line, for a tooltip. */
export function operationText(operation: ShownOperation, startNs: number): string {
  const { f, key, vid, values, outcome, error, process, session, node, by, fromNs, toNs, context, isBlind } = operation
  const written = vid === '' ? '' : ` ${vid}${isBlind ? ' (blind)' : ` (saw ${listText(context, 4)})`}`
  const read = vid === '' && outcome === 'ok' ? `: ${listText(values, 6)}` : ''
  const whom = [node === '' ? '' : `asked ${node}`, by === '' ? '' : `coordinated by ${by}`].filter((one) => one !== '')
  return [
    `${f} ${key}${written}${read}`,
    `${outcome}${error === '' ? '' : ` (${error})`}`,
    `at ${secondsText(fromNs - startNs)} for ${durationText(toNs - fromNs)}`,
    `process ${process}${session === '' ? '' : `, ${session}`}`,
    ...whom,
  ].join(' · ')
}
