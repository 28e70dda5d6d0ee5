import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { installed, pack, packageRoot } from './packed.ts'
import { problemsOf } from './uses.ts'

// Six processes one after the other, on a machine that may be busy.
t.setTimeout(120_000)

t.test('the package holds what is used of it, and nothing else', async (t) => {
  const { files, unpackedBytes } = pack(t.testdir())
  const allowed =
    /^(?:dist\/(?:bin|lib)\/[\w/-]+(?:\.d\.ts|\.js)|docs\/[\w/.-]+\.(?:md|svg)|[A-Z]+\.md|LICENSE|package\.json)$/
  t.same(
    files.filter((file) => !allowed.test(file)),
    [],
    'no tests, no sources, no source maps without them',
  )
  for (const target of targetsOf(JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')))) {
    t.ok(files.includes(target), target)
  }
  t.ok(files.includes('README.md') && files.includes('LICENSE') && files.includes('docs/client-library.md'))
  t.ok(unpackedBytes < 8_000_000, `${unpackedBytes} bytes`)
})

t.test('whoever installs it can use each of its entries, with what it says it depends on', async (t) => {
  const directory = t.testdir({ packed: {} })
  const project = installed(pack(join(directory, 'packed')), directory)
  t.same(problemsOf(project, process.execPath), [])
})

/** The files that `exports` and `bin` name. */
function targetsOf(manifest: {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly bin: Readonly<Record<string, string>>
}): readonly string[] {
  const exported = Object.values(manifest.exports).flatMap((target) =>
    typeof target === 'string' ? [target] : Object.values(target),
  )
  return [...exported, ...Object.values(manifest.bin)].map((path) => path.replace(/^\.\//, ''))
}
