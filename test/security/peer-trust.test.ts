import t from 'tap'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { type PeerCertificate, plainIdentity, type StreamIdentity } from '../../lib/ports/network.ts'
import { Keyring, toSecretKey } from '../../lib/security/keyring.ts'
import { PeerTrust, type PeerTrustParts } from '../../lib/security/peer-trust.ts'
import type { Hello } from '../../lib/wire/messages.ts'
import { hello, welcome } from '../links/parties.ts'

const cryptography = createCryptography()
const [one, two] = [keyOf(1), keyOf(2)]
const withSecret = { keyring: new Keyring([one]) }
const withTokens = { asksForTokens: () => true }
const binding = new Uint8Array(32).fill(7)

t.test(
  'a node that was given nothing lets anybody in, and whoever was given something lets in nobody without',
  async (t) => {
    const bySecret: StreamIdentity = { type: 'secret', keyId: one.id }
    const anonymous: StreamIdentity = { type: 'tls', certificate: undefined, problem: undefined, binding }
    const expired: StreamIdentity = { ...anonymous, problem: 'its certificate has expired' }
    const ofNode: StreamIdentity = { ...anonymous, certificate: certificateFor('ada') }
    const ofClient: StreamIdentity = { ...anonymous, certificate: { ...certificateFor('app'), isForServers: false } }
    const shown = { plain: plainIdentity, secret: bySecret, anonymous, expired, ofNode, ofClient }
    const all = Object.keys(shown)
    const given: readonly [string, Partial<PeerTrustParts>, nodes: readonly string[], clients: readonly string[]][] = [
      ['nothing', {}, all, all],
      ['a certificate alone', { certificates: 'own' }, all, all],
      ['a secret', withSecret, ['secret'], ['secret', 'ofNode', 'ofClient']],
      ['a secret, and tokens', { ...withSecret, ...withTokens }, ['secret'], all],
      [
        'a secret and a certificate',
        { ...withSecret, certificates: 'own' },
        ['secret'],
        ['secret', 'ofNode', 'ofClient'],
      ],
      [
        'a secret, a certificate and tokens',
        { ...withSecret, ...withTokens, certificates: 'own' },
        ['secret'],
        all.filter((name) => name !== 'plain'),
      ],
      ['an authority', { certificates: 'of both sides' }, ['ofNode'], ['secret', 'ofNode', 'ofClient']],
      [
        'an authority and a secret',
        { ...withSecret, certificates: 'of both sides' },
        [],
        ['secret', 'ofNode', 'ofClient'],
      ],
    ]
    for (const [name, parts, nodes, clients] of given) {
      const trust = trustWith(parts)
      const welcomed = (role: Hello['role']): string[] =>
        Object.entries(shown)
          .filter(([, identity]) => trust.refusalOf(hello({ role, names: ['ada'] }), identity) === undefined)
          .map(([word]) => word)
      t.same(welcomed('peer'), nodes, `${name}: nodes`)
      t.same(welcomed('client'), clients, `${name}: clients`)
    }
  },
)

t.test('whoever is refused hears what would help', async (t) => {
  const bySecret = trustWith(withSecret)
  t.match(bySecret.refusalOf(hello(), plainIdentity), /--secret-file/)
  t.match(bySecret.refusalOf(hello({ role: 'client' }), plainIdentity), /option `secret`/)
  const byCertificate = trustWith({ certificates: 'of both sides' })
  t.match(byCertificate.refusalOf(hello(), plainIdentity), /--tls-cert, --tls-key and --tls-ca/)
  t.match(byCertificate.refusalOf(hello({ role: 'client' }), plainIdentity), /option `tls`/)
  const identity = (certificate: PeerCertificate | undefined, problem?: string): StreamIdentity => ({
    type: 'tls',
    certificate,
    problem,
    binding,
  })
  const expired = identity(undefined, 'its certificate has expired')
  t.equal(byCertificate.refusalOf(hello({ names: ['ada'] }), expired), 'its certificate has expired')
  t.match(byCertificate.refusalOf(hello({ names: ['ada'] }), identity(certificateFor('bob'))), /not for the node.*ada/)
  t.match(byCertificate.refusalOf(hello(), identity(certificateFor('bob'))), /no name/)
  const ofClient = identity({ ...certificateFor('ada'), isForServers: false })
  t.match(byCertificate.refusalOf(hello({ names: ['ada'] }), ofClient), /one of a client.*serverAuth/)
})

t.test('under certificates the secret is shown as well, and on this connection alone', async (t) => {
  const parts = { ...withSecret, certificates: 'of both sides' as const }
  const [near, far] = [trustWith(parts), trustWith(parts)]
  const identity: StreamIdentity = { type: 'tls', certificate: certificateFor('ada'), problem: undefined, binding }
  const said = hello(near.helloAdditions(identity, ['ada']))
  t.equal(far.refusalOf(said, identity), undefined)
  t.same(said.names, ['ada'])
  const answer = { ...welcome, ...far.welcomeAdditions(identity) }
  t.equal(near.distrusts(answer, identity), undefined)

  const elsewhere: StreamIdentity = { ...identity, binding: new Uint8Array(32).fill(8) }
  t.match(far.refusalOf(said, elsewhere), /secret/, 'what was heard on another connection')
  t.match(near.distrusts(answer, elsewhere), /secret/)
  t.match(near.distrusts({ ...welcome, proof: said.proof }, identity), /secret/, 'what one said oneself')
  t.match(far.refusalOf({ ...said, proof: undefined }, identity), /secret/)
  t.match(far.refusalOf({ ...said, proof: new Uint8Array(3) }, identity), /secret/)
  t.match(near.distrusts(welcome, identity), /secret/)
  const stranger = trustWith({ ...parts, keyring: new Keyring([two]) })
  t.match(stranger.refusalOf(said, identity), /secret/, 'of another secret')

  t.test('by any key of it', async (t) => {
    const rotated = trustWith({ ...parts, keyring: new Keyring([two, one]) })
    t.equal(rotated.refusalOf(said, identity), undefined)
  })
  t.test('and by nothing where there is none', async (t) => {
    const without = trustWith({ certificates: 'of both sides' })
    t.same(without.helloAdditions(identity, ['ada']), { names: ['ada'] })
    t.equal(without.distrusts(welcome, identity), undefined)
    t.same(near.helloAdditions({ type: 'secret', keyId: one.id }, ['ada']), {}, 'or where it was shown before')
  })
})

t.test('a connection is worth what its key is worth', async (t) => {
  const keyring = new Keyring([one])
  const trust = trustWith({ keyring })
  const identity: StreamIdentity = { type: 'secret', keyId: one.id }
  t.same([trust.isStillTrusted(identity), trust.isOutdated(identity)], [true, false])
  keyring.replace([two, one])
  t.same([trust.isStillTrusted(identity), trust.isOutdated(identity)], [true, true], 'it had better be made anew')
  keyring.replace([two])
  t.same([trust.isStillTrusted(identity), trust.isOutdated(identity)], [false, true], 'and then it must')
  t.same([trust.isStillTrusted(plainIdentity), trust.isOutdated(plainIdentity)], [true, false])
})

function keyOf(filling: number) {
  return toSecretKey(new Uint8Array(32).fill(filling), cryptography)
}

function trustWith(parts: Partial<PeerTrustParts>): PeerTrust {
  return new PeerTrust({ cryptography, keyring: undefined, certificates: 'none', asksForTokens: () => false, ...parts })
}

function certificateFor(name: string): PeerCertificate {
  return { id: 'a'.repeat(64), name, isForServers: true, expiresAtMs: 0, isFor: (host) => host === name }
}
