import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pack } from './packed.ts'
import { problemsOf } from './uses.ts'

/**
 * `npm run smoke`: packs the package, installs the tarball with npm as anybody would, once for each release line of
 * Node.js, and uses each of its entries there. `npm run smoke -- 22` for one of them. All that is fetched comes from npm.
 */
const majors = process.argv.length > 2 ? process.argv.slice(2) : ['20', '22', '24', '26']

const directory = mkdtempSync(join(tmpdir(), 'starling-smoke-'))
try {
  const { tarball, files, unpackedBytes } = pack(directory)
  say(`packed ${files.length} files, ${(unpackedBytes / 1_000_000).toFixed(1)} MB`)
  for (const major of majors) smoke(major, tarball)
} finally {
  rmSync(directory, { recursive: true, force: true })
}

function smoke(major: string, tarball: string): void {
  const node = nodeOf(major)
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()
  const project = join(directory, `project-${major}`)
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "private": true }')
  // With that Node.js, so that scripts of dependencies run with it, and npm warns of those that say they need another.
  npm(project, ['install', tarball, '--loglevel=warn'], { PATH: `${join(node, '..')}:${process.env.PATH}` })
  const problems = problemsOf(project, node)
  for (const problem of problems) say(`${version}: ${problem}`)
  if (problems.length > 0) process.exitCode = 1
  else say(`${version}: all entries work`)
}

/** The path of a Node.js of that release line: the one that runs this, or the package that npm has of it. */
function nodeOf(major: string): string {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  const place = join(directory, `node-${major}`)
  mkdirSync(place)
  writeFileSync(join(place, 'package.json'), '{ "private": true }')
  npm(place, ['install', `${name}@${major}`])
  return join(place, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
}

function npm(cwd: string, words: readonly string[], environment: Readonly<Record<string, string>> = {}): void {
  execFileSync('npm', ['--loglevel=error', ...words, '--no-audit', '--no-fund', '--no-save'], {
    cwd,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

function say(sentence: string): void {
  process.stdout.write(`${sentence}\n`)
}
