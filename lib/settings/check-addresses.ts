import { InvalidParameter } from '../vocabulary/errors.ts'
import { type Endpoint, parseEndpoint } from '../vocabulary/ids.ts'
import type { Settings } from './schema.ts'

type Addresses = Pick<Settings, 'http' | 'peer' | 'advertiseHttp' | 'advertisePeer' | 'insecure'>

/**
 * What each address alone cannot show: others must be able to use what they are told, and nobody listens to the world
 * without saying so.
 *
 * @throws {InvalidParameter} with the remedy in the hint
 */
export function checkAddresses(settings: Addresses): void {
  refuseWildcard('http', settings.http, settings.advertiseHttp)
  refuseWildcard('peer', settings.peer, settings.advertisePeer)
  for (const [flag, listen] of [['http', settings.http] as const, ['peer', settings.peer] as const]) {
    if (settings.insecure || isLoopback(hostOf(listen))) continue
    throw new InvalidParameter(
      `--${flag} ${listen} listens beyond loopback, where traffic is neither encrypted nor authenticated`,
      {
        hint: 'listen on 127.0.0.1, or give --insecure if the network around the node is trusted',
      },
    )
  }
}

function refuseWildcard(flag: 'http' | 'peer', listen: Endpoint, advertised: Endpoint | undefined): void {
  const told = advertised ?? listen
  if (!isWildcard(hostOf(told))) return
  throw new InvalidParameter(
    advertised === undefined
      ? `--${flag} ${listen} listens on every address, and none of them is one that others can be told`
      : `--advertise-${flag} ${advertised} is not an address that others can connect to`,
    { hint: `give --advertise-${flag} HOST:PORT with the address under which others reach this node` },
  )
}

function hostOf(endpoint: Endpoint): string {
  return parseEndpoint(endpoint)?.host ?? ''
}

function isWildcard(host: string): boolean {
  return /^(0+(\.0+){0,3}|(::ffff:)?0\.0\.0\.0|[0:]*::?[0:]*)$/i.test(host)
}

/** A name other than localhost may resolve to anything, so it counts as beyond loopback. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || /^(::ffff:)?127(\.\d{1,3}){3}$/i.test(host) || /^(0*:)+0*1$/.test(host)
}
