import { isLoopback } from '../vocabulary/loopback.ts'
import type { Settings } from './schema.ts'

/** The settings that say who reaches a node, and what they must show. */
export type Guarded = Pick<
  Settings,
  'http' | 'peer' | 'insecure' | 'secretFile' | 'tlsCert' | 'tlsKey' | 'tlsCa' | 'tokenFile'
>

/** A door that is open to whoever is beyond loopback. */
export interface Exposure {
  /** In one sentence, without a full stop: which, and what anybody can do there. */
  readonly sentence: string
  /** What would close it. */
  readonly remedy: string
}

/**
 * What a node that is started so leaves open to strangers; empty: nothing. TLS covers no datagram, so nothing but a secret
 * closes the peer port; and a certificate of the node's own asks nobody who they are.
 * (docs/decisions/0115-what-a-node-needs-beyond-loopback.md)
 */
export function exposuresOf(settings: Guarded): readonly Exposure[] {
  const { http, peer, secretFile, tlsCert, tlsCa, tokenFile } = settings
  const open: Exposure[] = []
  if (!isLoopback(peer) && secretFile === undefined) {
    open.push({
      sentence: `--peer ${peer} listens beyond loopback without a secret: anybody there could join, and read and change everything`,
      remedy: 'write one with `starling secret generate --out FILE`, and give every node --secret-file FILE',
    })
  }
  if (!isLoopback(http) && tokenFile === undefined && (tlsCert === undefined || tlsCa === undefined)) {
    open.push({
      sentence: `--http ${http} listens beyond loopback and asks nobody who they are: anybody there could read and change everything`,
      remedy:
        'give --token-file FILE, so that clients need a token, or --tls-cert, --tls-key and --tls-ca, so that they need a certificate',
    })
  }
  return open
}

/** What works, but not as its owner may think; sentences for the log of each start. */
export function warningsAbout(settings: Guarded): readonly string[] {
  const { http, peer, insecure, tlsCert, tokenFile } = settings
  const warnings = insecure ? exposuresOf(settings).map(({ sentence }) => `--insecure: ${sentence}`) : []
  if (tokenFile === undefined || tlsCert !== undefined) return warnings
  const help = 'whoever listens on the wire learns them; give --tls-cert and --tls-key'
  if (!isLoopback(http)) {
    warnings.push(
      `--http ${http} takes tokens beyond loopback without TLS: ${help}, unless a proxy beside it does that`,
    )
  }
  if (!isLoopback(peer)) {
    warnings.push(`--peer ${peer} takes tokens of embedded clients that have no secret without TLS: ${help}`)
  }
  return warnings
}
