import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Log } from '../../ports/log.ts'
import type { Metrics } from '../../ports/metrics.ts'
import { InvalidParameter } from '../../vocabulary/errors.ts'
import { watchFileChange } from '../watch-file.ts'
import {
  type CertificatePlaces,
  type Certificates,
  checkNodeCertificate,
  expiresAtMs,
  toCertificates,
} from './certificates.ts'

/** Where certificates come from that may be renewed. */
export interface CertificateSource {
  readonly current: Certificates
  /** @returns ends it */
  onChanged(listener: () => void): () => void
}

export interface CertificatePaths {
  readonly cert: string | undefined
  readonly key: string | undefined
  readonly ca: string | undefined
}

/** Certificate and key are written one after the other: what changes is read when nothing has changed for so long. */
const settleMs = 3_000
const expiryLookMs = 12 * 3_600_000
export const warnBeforeExpiryMs = 14 * 24 * 3_600_000

/** The certificate files of a node: read at its start, and anew when they change. */
export class CertificateFiles implements CertificateSource {
  readonly #paths: CertificatePaths
  readonly #places: CertificatePlaces
  readonly #names: readonly string[]
  readonly #listeners = new Set<() => void>()
  #current: Certificates
  #log: Log | undefined
  #settling: NodeJS.Timeout | undefined
  #expiryLook: NodeJS.Timeout | undefined
  #endWatches: readonly (() => void)[] = []

  /**
   * @param names by which other nodes know this one; its certificate must be for one of them where nodes show theirs
   * @throws {InvalidParameter} that says what is wrong with the files, and what to do
   */
  constructor(paths: CertificatePaths, names: readonly string[]) {
    const absolute = (path: string | undefined): string | undefined => (path === undefined ? undefined : resolve(path))
    this.#paths = { cert: absolute(paths.cert), key: absolute(paths.key), ca: absolute(paths.ca) }
    this.#places = {
      cert: placeOf('--tls-cert', this.#paths.cert),
      key: placeOf('--tls-key', this.#paths.key),
      ca: placeOf('--tls-ca', this.#paths.ca),
    }
    this.#names = names
    this.#current = this.#read()
  }

  get current(): Certificates {
    return this.#current
  }

  /** When the own certificate expires, and the first of the authorities; wall clock. */
  get expiries(): readonly { readonly certificate: 'node' | 'authority'; readonly atMs: number }[] {
    const { leaf, authorities } = this.#current
    return [
      ...(leaf === undefined ? [] : [{ certificate: 'node' as const, atMs: expiresAtMs(leaf) }]),
      ...(authorities.length === 0
        ? []
        : [{ certificate: 'authority' as const, atMs: Math.min(...authorities.map(expiresAtMs)) }]),
    ]
  }

  onChanged(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** From now on changes of the files are taken, and told; and two weeks before a certificate expires, that it will. */
  watch(log: Log): void {
    this.#log = log
    const paths = [this.#paths.cert, this.#paths.key, this.#paths.ca].filter((path) => path !== undefined)
    this.#endWatches = paths.map((path) => watchFileChange(path, () => this.#settle()))
    this.#tellOfExpiry()
    this.#expiryLook = setInterval(() => this.#tellOfExpiry(), expiryLookMs).unref()
  }

  /** Reads the files again. What cannot be used is logged, and the certificates stay as they are. */
  reload(): void {
    let read: Certificates
    try {
      read = this.#read()
    } catch (error) {
      const { message, hint } = error as InvalidParameter
      this.#log?.error({ reason: message, hint }, 'certificates were not taken: they stay as they were')
      return
    }
    const { cert, key, ca } = this.#current
    if (read.cert === cert && read.key === key && read.ca === ca) return
    this.#current = read
    this.#log?.info(
      { certificate: read.leaf?.fingerprint256, goodUntil: read.leaf?.validTo },
      'certificates have changed: new connections use them',
    )
    for (const listener of this.#listeners) listener()
    this.#tellOfExpiry()
  }

  close(): void {
    for (const end of this.#endWatches) end()
    clearTimeout(this.#settling)
    clearInterval(this.#expiryLook)
    this.#listeners.clear()
  }

  #settle(): void {
    clearTimeout(this.#settling)
    this.#settling = setTimeout(() => this.reload(), settleMs).unref()
  }

  #read(): Certificates {
    const { cert, key, ca } = this.#paths
    const texts = {
      cert: textOf(cert, this.#places.cert),
      key: textOf(key, this.#places.key),
      ca: textOf(ca, this.#places.ca),
    }
    const nowMs = Date.now()
    const certificates = toCertificates(texts, this.#places, nowMs)
    if (ca !== undefined) checkNodeCertificate(certificates, this.#places, this.#names, nowMs)
    return certificates
  }

  #tellOfExpiry(): void {
    for (const { certificate, atMs } of this.expiries) {
      const leftMs = atMs - Date.now()
      if (leftMs >= warnBeforeExpiryMs) continue
      const fields = { certificate, expires: new Date(atMs).toISOString() }
      if (leftMs > 0) this.#log?.warn(fields, 'a certificate expires soon: renew it, and no connection will be refused')
      else this.#log?.error(fields, 'a certificate has expired: new connections are refused')
    }
  }
}

/** @param files undefined: the node has none */
export function declareExpiry(metrics: Metrics, files: CertificateFiles | undefined): void {
  metrics.sampled(
    {
      name: 'starling_tls_certificate_expiry_seconds',
      help: 'Until the certificate of this node expires, and the first of the authorities it trusts; negative: it has',
      labels: ['certificate'],
    },
    () =>
      (files?.expiries ?? []).map(({ certificate, atMs }) => ({
        labels: [certificate],
        value: (atMs - Date.now()) / 1000,
      })),
  )
}

function placeOf(flag: string, path: string | undefined): string {
  return path === undefined ? flag : `${flag} ${path}`
}

function textOf(path: string | undefined, place: string): string | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new InvalidParameter(
      isMissing ? `${place} does not exist` : `${place} cannot be read: ${(error as Error).message}`,
      {
        cause: error,
        hint: isMissing
          ? 'docs/operations.md shows how to make certificates'
          : 'the user that runs the node must be able to read it',
      },
    )
  }
}
