import t from 'tap'
import { agrees, readPage, runPage, stepsIn } from './fixtures/run-page.ts'

/** The README's tour, run as it stands there. */

const readme = readPage('README.md')

t.test('every command of the README does what the README says', { timeout: 150_000 }, async (t) => {
  await runPage(t, readme, 12)
})

t.test('the README names no command of npm that there is not', async (t) => {
  const { scripts } = JSON.parse(readPage('package.json')) as {
    scripts: Readonly<Record<string, string>>
  }
  const named = new Set(
    [...readme.matchAll(/\bnpm (?:run )?([a-z-]+)(?=`| &&|$| --)/gm)].map(([, name]) => name as string),
  )
  for (const name of named) t.ok(name === 'ci' || name in scripts, `npm ${name}`)
})

t.test('the comparison itself notices', async (t) => {
  t.ok(agrees('a: 1\nb: xyz\nd\n', 'a: 1\nb: ...\n...\n'))
  t.ok(agrees('HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n\r\nbody', 'HTTP/1.1 200 OK\nA: 1\n...\n\nbody'))
  t.notOk(agrees('a: 2', 'a: 1'))
  t.notOk(agrees('a: 1\nb', 'a: 1'))
  t.notOk(agrees('a: 1', 'a: 1\nb'))
  t.notOk(agrees('{"siblings":[]}', '{"siblings":[{...}]}'))
  t.same(stepsIn('```sh\na\n```\n\ntext\n\n```\nb\n```\n\n```js\nc\n```\n'), [
    { language: 'sh', body: 'a', expected: 'b' },
    { language: 'js', body: 'c', expected: '' },
  ])
})
