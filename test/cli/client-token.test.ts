import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type TokenOptions, tokenOf } from '../../lib/cli/client-token.ts'
import { UsageError } from '../../lib/cli/exit-code.ts'
import type { RunningNode } from '../../lib/start-node.ts'
import { eventually, nodeIn } from '../node/fixtures/real-nodes.ts'
import { scratchDirectory } from '../platform/fixtures/scratch.ts'
import { spawnStarling, starling, text } from './fixtures/run-starling.ts'

const token = 'correct-horse-battery-staple-and-more'

t.setTimeout(120_000)

t.test('commands show a token that stands in the environment or in a file', async (t) => {
  const directory = scratchDirectory(t)
  const tokenFile = join(directory, 'token')
  writeFileSync(tokenFile, `# of the operators\n\n${token}\n`)
  const [first] = await guardedPair(t, directory, tokenFile)
  const env = { STARLING_ENDPOINT: `http://${first.http}` }
  const shown = { env: { ...env, STARLING_TOKEN: token } }

  await t.test('without one nothing is done, and it is said what helps', async (t) => {
    for (const words of [['kv', 'put', 'b', 'k', 'v'], ['hints']]) {
      const ran = await starling(words, { env })
      t.equal(ran.code, 4, words.join(' '))
      t.match(ran.stderr, /unauthenticated/)
      t.match(ran.stderr, /STARLING_TOKEN or --token-file/)
    }
    const wrong = await starling(['kv', 'get', 'b', 'k'], { env: { ...env, STARLING_TOKEN: `${token}x` } })
    t.match(wrong, { code: 4, stderr: /not one of this cluster[\s\S]*within 5 seconds/ })
    t.notMatch(wrong.stderr, /correct-horse/)
  })

  await t.test('data goes in and out', async (t) => {
    t.equal((await starling(['kv', 'put', 'b', 'k', 'v'], shown)).code, 0)
    t.equal(text(await starling(['kv', 'get', 'b', 'k', '--token-file', tokenFile], { env })), 'v')
    const exported = await starling(['kv', 'export', 'b'], shown)
    t.match(text(exported), /"key":"k"/)
    const lines = join(directory, 'lines.ndjson')
    writeFileSync(lines, exported.stdout)
    t.equal((await starling(['kv', 'import', 'copy', lines], shown)).code, 0)
    t.match(text(await starling(['kv', 'scan', 'copy'], shown)), /k/)
  })

  await t.test('every node that is asked is shown it', async (t) => {
    const ran = await starling(['hints'], shown)
    t.match(ran, { code: 0, stderr: '' }, 'none of them is missing')
    const child = spawnStarling(['hints', '--watch', '--json'], shown.env)
    const seen = await new Promise<string>((resolve) => {
      let all = ''
      child.stdout?.on('data', (part: Buffer) => {
        all += part.toString()
        if (all.split('\n').filter((line) => line !== '').length >= 2) resolve(all)
      })
      child.stderr?.on('data', (part: Buffer) => resolve(part.toString()))
    })
    child.kill()
    t.match(seen, /"kind":"Hints"/)
    t.notMatch(seen, /unauthenticated/)
  })

  await t.test('the command line itself is for everybody to read', async (t) => {
    for (const words of [['--token', token], [`--token=${token}`]]) {
      const given = await starling(['kv', 'get', 'b', 'k', ...words], { env })
      t.match(given, { code: 2, stderr: /STARLING_TOKEN, or --token-file/ })
      t.notMatch(given.stderr, /correct-horse/)
    }
  })
})

t.test('of several the one that is named first counts, and the file of a node on this machine will do', async (t) => {
  const directory = scratchDirectory(t)
  const fileWith = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text)
    return join(directory, name)
  }
  const [one, other] = [fileWith('one', `# of the operators\n\n ${token}-1 \n${token}-2\n`), fileWith('other', token)]
  t.equal(tokenOf({}, {}), undefined)
  t.equal(tokenOf({}, { STARLING_TOKEN: '', STARLING_TOKEN_FILE: '' }), undefined)
  t.equal(tokenOf({}, { STARLING_TOKEN_FILE: one }), `${token}-1`)
  t.equal(tokenOf({}, { STARLING_TOKEN: `${token}\n`, STARLING_TOKEN_FILE: one }), token)
  t.equal(tokenOf({ tokenFile: one }, { STARLING_TOKEN: token, STARLING_TOKEN_FILE: other }), `${token}-1`)

  const refused = (options: TokenOptions, environment = {}): string => {
    try {
      return `taken: ${tokenOf(options, environment)}`
    } catch (error) {
      return error instanceof UsageError ? error.message : `${error}`
    }
  }
  t.match(refused({ tokenFile: fileWith('empty', '# nothing\n') }), /^--token-file: .* holds no token$/)
  t.match(refused({ tokenFile: join(directory, 'missing') }), /^--token-file: .*missing cannot be read/)
  t.match(refused({ tokenFile: directory }), /cannot be read/)
  t.equal(refused({}, { STARLING_TOKEN: 'two words' }), 'STARLING_TOKEN: the token holds what no header can carry')
  t.match(
    refused({}, { STARLING_TOKEN_FILE: fileWith('wide', 'x'.repeat(600)) }),
    /^STARLING_TOKEN_FILE: the token is longer/,
  )
})

async function guardedPair(
  t: Test,
  directory: string,
  tokenFile: string,
): Promise<readonly [RunningNode, RunningNode]> {
  const options = { tokenFile, expect: 2, replicas: 2 }
  const first = await nodeIn(t, join(directory, 'ada'), { name: 'ada', ...options })
  const second = await nodeIn(t, join(directory, 'bob'), { name: 'bob', ...options, join: [first.peer] })
  for (const { http } of [first, second]) {
    const statusOf = async (): Promise<number> => (await fetch(`http://${http}/readyz`)).status
    await eventually('the node is ready', statusOf, (status) => status === 200)
  }
  return [first, second]
}
