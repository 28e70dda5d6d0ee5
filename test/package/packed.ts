import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where the real `package.json` is: tests run compiled, from another directory than the sources. */
export function packageRoot(): string {
  let directory = realpathSync(fileURLToPath(new URL('.', import.meta.url)))
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory)
  return dirname(realpathSync(join(directory, 'package.json')))
}

export interface Packed {
  /** The path of the tarball. */
  readonly tarball: string
  readonly unpackedBytes: number
  readonly files: readonly string[]
}

/** What `npm publish` would send, as it stands in `dist` now. Nothing is built. */
export function pack(into: string): Packed {
  const said = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', into], {
    cwd: packageRoot(),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [packed] = JSON.parse(said) as readonly {
    readonly filename: string
    readonly unpackedSize: number
    readonly files: readonly { readonly path: string }[]
  }[]
  if (packed === undefined) throw new Error('npm packed nothing')
  const { filename, unpackedSize, files } = packed
  return { tarball: join(into, filename), unpackedBytes: unpackedSize, files: files.map(({ path }) => path) }
}

/**
 * A project that has installed the tarball: `directory/project`. Its dependencies are those of the repository, and only
 * those that the package declares, so nothing is fetched, and what it uses without saying so is missing.
 */
export function installed(packed: Packed, directory: string): string {
  const project = join(directory, 'project')
  const own = join(project, 'node_modules', 'starling-kv')
  mkdirSync(own, { recursive: true })
  // Of its own: inside the repository the package's name would mean the repository.
  writeFileSync(join(project, 'package.json'), '{ "private": true }')
  execFileSync('tar', ['-xzf', packed.tarball, '--strip-components=1', '-C', own])
  const root = packageRoot()
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly devOptional?: boolean }>>
  }
  for (const [path, { dev, devOptional }] of Object.entries(packages)) {
    const isTop = /^node_modules\/(?:@[^/]+\/)?[^/]+$/.test(path)
    if (!isTop || dev === true || devOptional === true || !existsSync(join(root, path))) continue
    const link = join(directory, path)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(root, path), link)
  }
  return project
}
