import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startNode } from '../../lib/start-node.ts'
import { json, type Ran, starling, started, text } from './fixtures/run-starling.ts'

t.test('tokens from the command line, at a real node', { timeout: 60_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'starling-tokens-'))
  const tokenFile = join(directory, 'token')
  writeFileSync(tokenFile, '# november\ncorrect-horse-battery-staple-and-more\n', { mode: 0o600 })
  const node = await startNode({
    ...{ data: join(directory, 'data'), http: '127.0.0.1:0', peer: '127.0.0.1:0', expect: 1, logLevel: 'error' },
    ...{ tokenFile, partitions: 8 },
  })
  t.teardown(async () => {
    await node.stop()
    rmSync(directory, { recursive: true })
  })
  while (node.node.notReadyBecause().length > 0) await new Promise((resolve) => setTimeout(resolve, 20))
  const at = ['--endpoint', `http://${node.http}`]
  const admin = [...at, '--token-file', tokenFile]

  const created = await starling([
    ...['token', 'create', '--role', 'write', '--bucket', 'carts', '--bucket', 'a/b', '--bucket', 'team-*'],
    ...['--prefix', 'users/eu-', '--expires', '30d', '--name', 'shop', ...admin],
  ])
  const token = text(created).trim()
  const id = token.split('_')[1] as string

  await t.test('create prints the token alone, to be piped where it is kept', async (t) => {
    t.equal(created.code, 0)
    t.match(text(created), /^starling_[0-9a-f]{12}_[\w-]{43}\n$/)
    t.match(created.stderr, new RegExp(`^token ${id} \\(shop\\): write, carts a%2Fb team-\\* users/eu-, good until 2`))
    t.notOk(created.stderr.includes(token))
    const whole = await starling(['token', 'create', '--role', 'read', '--json', ...admin])
    t.match(json(whole), {
      ...{ kind: 'Token', token: /^starling_/, name: userInfo().username, role: 'read', scopes: null, expiresAt: null },
    })
    t.equal(whole.stderr, '')
  })

  await t.test('its bearer is asked who they are, by whatever way it is shown', async (t) => {
    const env = { STARLING_TOKEN: token }
    const [who, asJson, file, nobody, list, create] = await Promise.all([
      starling(['whoami', ...at], { env }),
      starling(['whoami', '--json', ...at], { env }),
      starling(['whoami', '--json', ...admin]),
      starling(['whoami', ...at]),
      starling(['token', 'list', ...at], { env }),
      starling(['token', 'create', '--role', 'read', ...at], { env }),
    ])
    t.match(
      text(who),
      new RegExp(`^id +${id}\nname +shop\nrole +write\nmay +present, read, write\nscopes +carts a%2Fb team`),
    )
    t.match(json(asJson), { kind: 'WhoAmI', isAsked: true, id, role: 'write' })
    t.match(json(file), { id: /^bootstrap-/, role: 'admin' })
    t.match(nobody, { code: 4, stderr: /asks for a token/ })
    t.match(list, { code: 4, stderr: /forbidden/ })
    t.match(create, { code: 4, stdout: { length: 0 } })
  })

  await t.test('list shows all of them, without what their bearers show', async (t) => {
    const [listed, asJson] = await Promise.all([
      starling(['token', 'list', ...admin]),
      starling(['token', 'list', '--json', ...admin]),
    ])
    t.match(text(listed), /^ID +NAME +ROLE +SCOPES +STATE +EXPIRES +MADE BY\n/)
    t.match(
      text(listed),
      new RegExp(`^${id} +shop +write +carts a%2Fb team-\\* users/eu- +in-force +2.*Z +bootstrap-`, 'm'),
    )
    t.notOk(text(listed).includes(token))
    t.match(json(asJson), { kind: 'TokenList', tokens: { length: 2 } })
  })

  await t.test('revoke takes it back, by its id or as it is shown', async (t) => {
    const dry = await starling(['token', 'revoke', id, '--dry-run', ...admin])
    t.match(dry, { code: 0, stderr: /would be revoked; nothing was changed/ })
    t.equal(node.node.authority.whyRefused(token), undefined)
    t.match(await starling(['token', 'revoke', token, ...admin]), { code: 0, stderr: /is revoked/ })
    const [who, again, unknown] = await Promise.all([
      starling(['whoami', ...at], { env: { STARLING_TOKEN: token } }),
      starling(['token', 'revoke', id, '--json', ...admin]),
      starling(['token', 'revoke', '0123456789ab', ...admin]),
    ])
    t.match(who, { code: 4, stderr: /was revoked/ })
    t.match(json(again), { kind: 'Token', id, state: 'revoked' })
    t.match(unknown, { code: 5, stderr: /no token/ })
  })
})

t.test('what is no token, role, scope or time is refused before any node is asked', async (t) => {
  const node = await started(t)
  const at = ['--endpoint', node.url]
  const usage = async (words: readonly string[], stderr: RegExp): Promise<Ran> => {
    const ran = await starling([...words, ...at])
    t.match(ran, { code: 2, stderr }, words.join(' '))
    return ran
  }
  const [, , , , , , revoked] = await Promise.all([
    usage(['token', 'create'], /--role/),
    usage(['token', 'create', '--role', 'root'], /read, write, operator, admin/),
    usage(['token', 'create', '--role', 'read', '--expires', '30'], /30d/),
    usage(['token', 'create', '--role', 'read', '--expires', '0d'], /30d/),
    usage(['token', 'create', '--role', 'read', '--bucket', '$starling'], /database itself/),
    usage(['token', 'create', '--role', 'read', '--prefix', 'carts'], /not BUCKET\/KEYPREFIX/),
    usage(['token', 'revoke', 'hunter2'], /no id of a token/),
  ])
  t.notMatch(revoked?.stderr, /hunter2/)
  t.equal(node.seen.length, 0)
  const dry = await starling(['token', 'create', '--role', 'read', '--name', 'x', '--dry-run', '--json', ...at])
  t.match(json(dry), { kind: 'Token', name: 'x', role: 'read', dryRun: true })
  t.equal(node.seen.length, 0)
})

t.test('a list that no quorum has answered is partial', async (t) => {
  const node = await started(t)
  node.answers.set('/v1/tokens', { status: 200, body: { tokens: [], knownSecondsAgo: 12.3 } })
  node.answers.set('/v1/whoami', { status: 200, body: { isAsked: false, may: [] } })
  const at = ['--endpoint', node.url]
  t.match(await starling(['token', 'list', ...at]), { code: 7, stderr: /knew 12 s ago/ })
  t.match(await starling(['whoami', ...at]), { code: 0, stderr: /asks nobody/ })
})
