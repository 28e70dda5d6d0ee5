import { InvalidParameter } from '../vocabulary/errors.ts'
import { type Endpoint, parseEndpoint } from '../vocabulary/ids.ts'
import { exposuresOf, type Guarded } from './exposure.ts'
import type { Settings } from './schema.ts'

type Addresses = Guarded & Pick<Settings, 'advertiseHttp' | 'advertisePeer' | 'auditLog' | 'auditData'>

/**
 * What each address alone cannot show: others must be able to use what they are told, and nobody listens to the world
 * without asking who it is, or without saying so.
 *
 * @throws {InvalidParameter} with the remedy in the hint
 */
export function checkAddresses(settings: Addresses): void {
  refuseWildcard('http', settings.http, settings.advertiseHttp)
  refuseWildcard('peer', settings.peer, settings.advertisePeer)
  refuseHalves(settings)
  const [exposure] = settings.insecure ? [] : exposuresOf(settings)
  if (exposure === undefined) return
  throw new InvalidParameter(exposure.sentence, {
    hint: `${exposure.remedy}; or listen on 127.0.0.1; --insecure leaves it open, for networks that are trusted whole`,
  })
}

function refuseWildcard(flag: 'http' | 'peer', listen: Endpoint, advertised: Endpoint | undefined): void {
  const told = advertised ?? listen
  if (!isWildcard(parseEndpoint(told)?.host ?? '')) return
  throw new InvalidParameter(
    advertised === undefined
      ? `--${flag} ${listen} listens on every address, and none of them is one that others can be told`
      : `--advertise-${flag} ${advertised} is not an address that others can connect to`,
    { hint: `give --advertise-${flag} HOST:PORT with the address under which others reach this node` },
  )
}

/** Nobody can mean half of it; a node that took it for nothing would speak in the clear. */
function refuseHalves({ tlsCert, tlsKey, tlsCa, auditLog, auditData }: Addresses): void {
  if (tlsCert !== undefined && tlsKey === undefined) {
    throw new InvalidParameter('--tls-cert is given without --tls-key', {
      hint: 'give --tls-key FILE with the private key of the certificate',
    })
  }
  if (tlsKey !== undefined && tlsCert === undefined) {
    throw new InvalidParameter('--tls-key is given without --tls-cert', {
      hint: 'give --tls-cert FILE with the certificate of the key',
    })
  }
  if (tlsCa !== undefined && tlsCert === undefined) {
    throw new InvalidParameter('--tls-ca is given without --tls-cert', {
      hint: 'give --tls-cert and --tls-key as well: who asks others for certificates needs one to show',
    })
  }
  if (auditData !== 'off' && auditLog === undefined) {
    throw new InvalidParameter('--audit-data is given without --audit-log', {
      hint: 'give --audit-log FILE: the file that it is written to',
    })
  }
}

function isWildcard(host: string): boolean {
  return /^(0+(\.0+){0,3}|(::ffff:)?0\.0\.0\.0|[0:]*::?[0:]*)$/i.test(host)
}
