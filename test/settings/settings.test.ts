import t, { type Test } from 'tap'
import { warningsAbout } from '../../lib/settings/exposure.ts'
import { resolveSettings, type SettingsInput } from '../../lib/settings/resolve-settings.ts'
import { settingNames, settingsSchema } from '../../lib/settings/schema.ts'
import { InvalidParameter } from '../../lib/vocabulary/errors.ts'
import { nearest } from '../../lib/vocabulary/nearest.ts'

t.test('without anything said, a node listens on loopback and commits a layout of its own', async (t) => {
  const { settings, sources, warnings } = resolveSettings({})
  t.match(settings, { http: '127.0.0.1:7070', peer: '127.0.0.1:7071', data: './starling-data', cluster: 'starling' })
  t.match(settings, { zone: 'default', weight: 1, replicas: 3, partitions: 1024, readRepair: 'blocking' })
  t.match(settings, { insecure: false, logLevel: 'info', join: [] })
  t.equal(settings.expect, 1)
  t.equal(settings.name, undefined, 'the advertised peer address, which is known once the port is')
  t.ok(Object.values(sources).every((source) => source === 'default'))
  t.same(warnings, [])
})

t.test('flag beats environment beats file beats default', async (t) => {
  const tomlText = 'weight = 2\nzone = "file"\ndata = "./file"\n'
  const env = { STARLING_WEIGHT: '3', STARLING_ZONE: 'environment', STARLING_DATA: '' }
  const { settings, sources } = resolveSettings({ flags: { weight: '4' }, env, tomlText })
  t.match(settings, { weight: 4, zone: 'environment', data: './file', replicas: 3 })
  t.match(
    sources,
    { weight: 'flag', zone: 'environment', data: 'file', replicas: 'default' },
    'an empty variable is not set',
  )
})

t.test('every setting can be given in every place, under the names that its row of the schema says', async (t) => {
  const samples: Record<string, string> = {
    http: '127.0.0.1:1',
    peer: '127.0.0.1:2',
    'advertise-http': 'a:1',
    'advertise-peer': 'a:2',
    data: 'd',
    name: 'n',
    cluster: 'c',
    join: 'a:1,b:2',
    expect: '5',
    zone: 'z',
    weight: '7',
    replicas: '5',
    partitions: '64',
    'read-repair': 'async',
    hints: 'off',
    'anti-entropy': 'off',
    'value-log': 'on',
    'tombstone-grace': '0',
    'keep-old-copies': '0',
    'slow-request-ms': '0',
    'client-requests-per-second': '1000',
    'client-bytes-per-second': '1000000',
    'client-requests-in-flight': '100',
    'address-connections': '50',
    'cors-origins': 'https://shop.example,http://localhost:3000',
    config: 'f',
    'secret-file': 's',
    'tls-cert': 'c',
    'tls-key': 'k',
    'tls-ca': 'a',
    'token-file': 't',
    'audit-log': 'l',
    'audit-data': 'writes',
    insecure: 'true',
    'log-level': 'debug',
    'log-format': 'json',
  }
  // What is refused alone.
  const companions: Record<string, Record<string, string>> = {
    'tls-cert': { 'tls-key': 'k' },
    'tls-key': { 'tls-cert': 'c' },
    'tls-ca': { 'tls-cert': 'c', 'tls-key': 'k' },
    'audit-data': { 'audit-log': 'l' },
  }
  for (const name of settingNames) {
    const { flag, env, toml } = settingsSchema[name]
    const sample = samples[flag] as string
    const flags = companions[flag] ?? {}
    const byFlag = resolveSettings({ flags: { ...flags, [flag]: sample } }).settings[name]
    t.same(resolveSettings({ flags, env: { [env]: sample } }).settings[name], byFlag, env)
    t.not(byFlag, settingsSchema[name].default, `--${flag} is heard`)
    if (toml !== undefined) {
      const literal = typeof byFlag === 'number' || typeof byFlag === 'boolean' ? sample : JSON.stringify(byFlag)
      t.same(resolveSettings({ flags, tomlText: `${toml} = ${literal}` }).settings[name], byFlag, `${toml} in the file`)
    }
  }
})

t.test('a setting is called in code what its flag is called: the command line finds it by that', async (t) => {
  for (const name of settingNames) {
    const { flag } = settingsSchema[name]
    t.equal(
      name,
      flag.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase()),
    )
  }
})

t.test('an unknown flag or key is an error that names the nearest known one', async (t) => {
  refuses(t, { flags: { 'advertize-http': 'a:1' } }, 'unknown flag --advertize-http', '--advertise-http')
  refuses(t, { flags: { replcias: '3' } }, 'unknown flag --replcias', '--replicas')
  refuses(t, { tomlText: 'partition = 64' }, 'unknown key "partition"', 'partitions')
  refuses(t, { tomlText: '[node]\nzone = "a"' }, 'unknown key "node"', 'name')
  refuses(t, { tomlText: 'config = "x"' }, 'unknown key "config"', '')
  refuses(t, { tomlText: 'zone = ' }, 'not TOML at line 1', 'invalid value')
})

t.test('an unknown variable only warns, and the one of the commands not even that', async (t) => {
  const env = { STARLING_PORT: 'tcp://10.0.0.1:7070', STARLING_ENDPOINT: 'http://a', PATH: '/bin' }
  const { warnings } = resolveSettings({ env })
  t.equal(warnings.length, 1)
  t.match(warnings[0], /STARLING_PORT is ignored/)
})

t.test('values out of range are refused by name and range', async (t) => {
  const wrong: readonly (readonly [string, string])[] = [
    ['replicas', '0'],
    ['replicas', '16'],
    ['replicas', '2.5'],
    ['replicas', ''],
    ['partitions', '1000'],
    ['partitions', '65536'],
    ['weight', '-1'],
    ['expect', '0'],
    ['http', '7070'],
    ['http', 'a:70000'],
    ['name', ''],
    ['name', 'two words'],
    ['zone', 'x'.repeat(64)],
    ['cluster', '-x'],
    ['read-repair', 'on'],
    ['hints', 'true'],
    ['anti-entropy', 'maybe'],
    ['tombstone-grace', '-1'],
    ['log-level', 'trace'],
    ['join', 'a:1,b'],
    ['join', 'a:0'],
    ['insecure', 'yes'],
    ['data', ''],
    ['advertise-http', 'a:0'],
    ['client-requests-per-second', '-1'],
    ['cors-origins', '*'],
    ['cors-origins', 'null'],
    ['cors-origins', 'shop.example'],
    ['cors-origins', 'https://shop.example/'],
    ['cors-origins', 'https://*.shop.example'],
    ['cors-origins', 'https://shop.example:443'],
    ['cors-origins', 'https://Shop.example'],
  ]
  for (const [flag, value] of wrong) refuses(t, { flags: { [flag]: value } }, `--${flag}: ${JSON.stringify(value)}`, '')
  refuses(t, { env: { STARLING_WEIGHT: 'heavy' } }, 'STARLING_WEIGHT: "heavy"', '1 to 1000')
  refuses(t, { tomlText: 'weight = "2 "' }, 'weight in the settings file', '1 to 1000')
  refuses(t, { tomlText: 'zone = 3' }, 'zone in the settings file', '')
})

t.test('a list of peers is text with commas, or an array in the file', async (t) => {
  const expected = ['a:1', '[::1]:2']
  t.same(resolveSettings({ flags: { join: 'a:1, [::1]:2,' } }).settings.join, expected)
  t.same(resolveSettings({ tomlText: 'join = ["a:1", "[::1]:2"]' }).settings.join, expected)
})

t.test('a node that joins others does not commit a layout alone, unless it is told how many to expect', async (t) => {
  t.equal(resolveSettings({ flags: { join: 'a:1' } }).settings.expect, undefined)
  t.equal(resolveSettings({ flags: { join: 'a:1', expect: '3' } }).settings.expect, 3)
})

t.test('a wildcard needs an address that others can be told', async (t) => {
  for (const wildcard of ['0.0.0.0:1', '[::]:1', '[0:0:0:0:0:0:0:0]:1', '0:1']) {
    refuses(t, { flags: { http: wildcard, insecure: true } }, `--http ${wildcard}`, '--advertise-http HOST:PORT')
    refuses(t, { flags: { peer: wildcard, insecure: true } }, `--peer ${wildcard}`, '--advertise-peer HOST:PORT')
    const { settings } = resolveSettings({
      flags: { http: wildcard, 'advertise-http': 'ada.example:1', insecure: true },
    })
    t.equal(settings.advertiseHttp, 'ada.example:1')
  }
  refuses(t, { flags: { 'advertise-peer': '0.0.0.0:1' } }, '--advertise-peer 0.0.0.0:1', '--advertise-peer')
})

t.test(
  'beyond loopback a node asks who comes: peers for the secret, clients for a token or a certificate',
  async (t) => {
    const outside = ['192.168.0.7:1', 'ada.example:1', '[2001:db8::1]:1']
    const inside = ['127.0.0.1:0', '127.8.8.8:1', 'localhost:1', '[::1]:1', '[0:0:0:0:0:0:0:1]:1']
    for (const address of outside) {
      refuses(t, { flags: { peer: address } }, `--peer ${address} listens beyond loopback`, '--secret-file FILE')
      refuses(t, { flags: { http: address } }, `--http ${address} listens beyond loopback`, '--token-file FILE')
      refuses(t, { flags: { http: address } }, '', '--tls-ca')
      refuses(t, { flags: { http: address } }, '', '--insecure')
      t.equal(resolveSettings({ flags: { http: address, peer: address, insecure: true } }).settings.http, address)
    }
    for (const address of inside) t.equal(resolveSettings({ flags: { http: address } }).settings.http, address)

    // Every combination: what guards one door says nothing of the other.
    const guards = ['secret-file', 'tls-cert', 'tls-key', 'tls-ca', 'token-file', 'insecure'] as const
    for (const hasHttp of [false, true]) {
      for (const hasPeer of [false, true]) {
        for (let bits = 0; bits < 1 << guards.length; bits += 1) {
          const flags: Record<string, string | true> = {}
          if (hasHttp) flags.http = '192.168.0.7:1'
          if (hasPeer) flags.peer = '192.168.0.7:2'
          for (const [index, guard] of guards.entries()) {
            if ((bits & (1 << index)) !== 0) flags[guard] = guard === 'insecure' ? true : `/etc/${guard}`
          }
          t.equal(outcomeOf(flags), expectedOf(flags), JSON.stringify(flags))
        }
      }
    }
  },
)

t.test('half of TLS is refused wherever the node listens, with what is lacking', async (t) => {
  refuses(t, { flags: { 'tls-cert': 'c' } }, '--tls-cert is given without --tls-key', 'give --tls-key FILE')
  refuses(t, { flags: { 'tls-key': 'k' } }, '--tls-key is given without --tls-cert', 'give --tls-cert FILE')
  refuses(t, { flags: { 'tls-ca': 'a' } }, '--tls-ca is given without --tls-cert', 'give --tls-cert and --tls-key')
  refuses(t, { flags: { 'tls-ca': 'a', insecure: true } }, '--tls-ca is given without', '')
  refuses(t, { flags: { 'audit-data': 'all' } }, '--audit-data is given without', '--audit-log FILE')
})

t.test('what --insecure leaves open is said, and so are tokens in the clear', async (t) => {
  const warnings = (flags: SettingsInput['flags']): string =>
    warningsAbout(resolveSettings({ flags: flags ?? {} }).settings).join('\n')
  const outside = { http: '10.0.0.5:1', peer: '10.0.0.5:2' }
  t.match(warnings({ ...outside, insecure: true }), /--insecure: --peer 10.0.0.5:2 .*\n--insecure: --http 10.0.0.5:1 /)
  t.notMatch(warnings({ ...outside, insecure: true, 'token-file': 't' }), /--insecure: --http/)
  t.equal(warnings({ insecure: true }), '', 'on loopback it lifts nothing')
  const safe = { ...outside, 'secret-file': 's', 'tls-cert': 'c', 'tls-key': 'k', 'token-file': 't' }
  t.equal(warnings({ ...safe, insecure: true }), '', 'nor where everything is closed')
  t.equal(warnings(safe), '')
  const plain = { ...outside, 'secret-file': 's', 'token-file': 't' }
  t.match(warnings(plain), /--http 10.0.0.5:1 takes tokens beyond loopback without TLS/)
  t.match(warnings({ ...plain, http: '127.0.0.1:1' }), /^--peer 10.0.0.5:2 takes tokens of embedded clients [^\n]*$/)
  t.equal(warnings({ ...plain, http: '127.0.0.1:1', peer: '[::1]:1' }), '', 'on loopback nobody listens')
})

t.test('the nearest word is the one with the fewest slips', async (t) => {
  const known = ['zone', 'weight', 'log-level', 'log-format']
  t.equal(nearest('wieght', known), 'weight')
  t.equal(nearest('loglevel', known), 'log-level')
  t.equal(nearest('LOG-FORMATS', known), 'log-format')
  t.equal(nearest('anything', []), undefined)
})

/** What the start-up rule says, as its page has it. */
function expectedOf(flags: Readonly<Record<string, string | true>>): string {
  const has = (flag: string): boolean => flags[flag] !== undefined
  if (has('tls-cert') !== has('tls-key') || (has('tls-ca') && !has('tls-cert'))) return 'half'
  if (has('insecure')) return 'accepted'
  if (has('peer') && !has('secret-file')) return 'peer'
  if (has('http') && !has('token-file') && !(has('tls-cert') && has('tls-ca'))) return 'http'
  return 'accepted'
}

function outcomeOf(flags: Readonly<Record<string, string | true>>): string {
  try {
    resolveSettings({ flags })
    return 'accepted'
  } catch (error) {
    const { message, hint } = error as InvalidParameter
    if (hint === undefined) return 'no remedy'
    if (message.includes('is given without')) return 'half'
    return message.startsWith('--peer') ? 'peer' : 'http'
  }
}

function refuses(t: Test, input: SettingsInput, message: string, hint: string): void {
  try {
    resolveSettings(input)
    t.fail(`accepted ${JSON.stringify(input)}`)
  } catch (error) {
    t.ok(error instanceof InvalidParameter, String(error))
    const { message: said, hint: advised } = error as InvalidParameter
    t.ok(said.includes(message), `${said} says ${message}`)
    t.ok(advised?.includes(hint), `${advised} says ${hint}`)
  }
}
