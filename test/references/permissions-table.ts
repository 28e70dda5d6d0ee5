import { resources } from '../../lib/http/resources.ts'
import { isOpen, permissionText, type RoutePermission } from '../../lib/http/route-permission.ts'
import { type Need, type RequestPermission, requestPermissions } from '../../lib/node/request-permissions.ts'
import type { DataPlace } from '../../lib/security/data-place.ts'
import { mayDo, type Permission, type Role } from '../../lib/security/principal.ts'
import type { Request } from '../../lib/wire/messages.ts'
import { goldenFrames } from '../wire/fixtures/golden-frames.ts'

/** The columns: whoever shows nothing, and each role without scopes. */
export const askers = ['nobody', 'read', 'write', 'operator', 'admin'] as const
export type Asker = (typeof askers)[number]

/** One request and who may make it. */
export interface PermissionRow {
  readonly request: string
  readonly permission: string
  readonly mayAsk: Readonly<Record<Asker, boolean>>
}

/** Every request of the HTTP API but HEAD, which is allowed where its GET is. */
export function httpRows(): readonly PermissionRow[] {
  return resources
    .flat()
    .filter(({ method }) => method !== 'HEAD')
    .map(({ method, path, permission }) => ({
      request: `${method} ${path}`,
      permission: permissionText(permission),
      mayAsk: allowed(isOpen(permission) ? 'open' : neededBy(permission)),
    }))
}

/** Every request of the frame protocol, by the name that embedded clients and nodes have for it. */
export function frameRows(): readonly PermissionRow[] {
  return Object.entries(requestPermissions).flatMap(([type, permission]) => {
    const messages = exampleRequests().filter((message) => message.type === type)
    if (messages.length === 0) return [frameRow(type, permission as RequestPermission, undefined)]
    return messages.map((message) => frameRow(nameOf(message), permission as RequestPermission, message))
  })
}

/** One of each kind of request; of `coordinate` one of each operation. */
export function exampleRequests(): readonly Request[] {
  const byName = new Map<string, Request>()
  for (const { frame } of goldenFrames) {
    if (frame.kind === 'request' && !byName.has(nameOf(frame.message))) byName.set(nameOf(frame.message), frame.message)
  }
  return [...byName.values()]
}

export function nameOf(message: Request): string {
  return message.type === 'coordinate' ? `coordinate ${message.request.type}` : message.type
}

export function permissionsReference(): string {
  return ['#### Over HTTP', table(httpRows()), '#### Over frames', framesIntroduction, table(frameRows())].join('\n\n')
}

const framesIntroduction =
  'What embedded clients ask. All else that nodes say to each other is refused to every client: it is for members.'

function frameRow(request: string, permission: RequestPermission, example: Request | undefined): PermissionRow {
  if (permission === 'members only') {
    return { request, permission, mayAsk: { nobody: false, read: false, write: false, operator: false, admin: false } }
  }
  if (typeof permission === 'string') return { request, permission, mayAsk: allowed(permission) }
  if ('needOfEach' in permission) {
    return { request, permission: 'as each of them by itself', mayAsk: allowed('present') }
  }
  if (example === undefined) throw new Error(`there is no example of ${request}`)
  const { permission: needed, place } = (permission as { need(message: Request): Need }).need(example)
  return { request, permission: `${needed} ${wordsOf(place)}`, mayAsk: allowed(needed) }
}

function wordsOf(place: DataPlace): string {
  if (place.type === 'keys') return place.prefix === '' ? 'on the whole bucket' : 'on all keys of the prefix'
  return place.type === 'key' ? 'on the key' : 'on some of the bucket'
}

function neededBy(permission: Exclude<RoutePermission, { open: string }>): Permission {
  return typeof permission === 'string' ? permission : permission.needs
}

function allowed(permission: Permission | 'open'): PermissionRow['mayAsk'] {
  const may = (role: Role): boolean => permission === 'open' || mayDo(role, permission)
  return {
    nobody: permission === 'open',
    read: may('read'),
    write: may('write'),
    operator: may('operator'),
    admin: may('admin'),
  }
}

function table(rows: readonly PermissionRow[]): string {
  const isForClients = (row: PermissionRow): boolean => row.permission !== 'members only'
  return [
    `| request | permission | ${askers.join(' | ')} |`,
    `| --- | --- | ${askers.map(() => ':---:').join(' | ')} |`,
    ...rows
      .filter(isForClients)
      .map(
        ({ request, permission, mayAsk }) =>
          `| \`${request}\` | ${permission} | ${askers.map((asker) => (mayAsk[asker] ? 'yes' : '-')).join(' | ')} |`,
      ),
  ].join('\n')
}
