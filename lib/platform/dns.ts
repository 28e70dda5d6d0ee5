import { lookup } from 'node:dns'
import type { Names } from '../ports/network.ts'
import { formatEndpoint } from '../vocabulary/ids.ts'
import { hostAndPort, isAddress } from './addresses.ts'
import type { ResolvedNames } from './tls/resolved-names.ts'

/**
 * Names as the system resolves them: hosts file, DNS and whatever else it is set up to ask.
 * @param resolved learns what led to what
 */
export function createNames(resolved?: ResolvedNames): Names {
  return {
    resolve(endpoint, done) {
      const { host, port } = hostAndPort(endpoint)
      if (isAddress(host)) {
        queueMicrotask(() => done([endpoint]))
        return
      }
      lookup(host, { all: true }, (error, addresses) => {
        const found = error === null ? addresses.map(({ address }) => formatEndpoint(address, port)) : []
        if (error === null) {
          resolved?.learn(
            host,
            addresses.map(({ address }) => address),
          )
        }
        done([...new Set(found)])
      })
    },
  }
}
