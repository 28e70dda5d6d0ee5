import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSync } from 'oxc-parser'
import t from 'tap'
import { StarlingError } from '../../lib/vocabulary/errors.ts'

/** Of the compiled output, where type imports are gone: what is left is what a program loads. */
const lib = fileURLToPath(new URL('../../lib', import.meta.url))

/** Of the program around, if it has it. */
const optionalPackage = "'@opentelemetry/api'"

const onlyInNode = new Set(['Buffer', 'process', 'global', 'setImmediate', 'clearImmediate', 'require', '__dirname'])

t.test('the embedded client loads no server code', async (t) => {
  const { files, packages } = loadedBy('connect.js')
  const rooms = new Set(files.map((file) => file.split('/')[0]))
  for (const room of ['node', 'http', 'cli', 'settings', 'simulator', 'http-client', 'start-node.js', 'index.js']) {
    t.notOk(rooms.has(room), room)
  }
  t.ok(rooms.has('client') && rooms.has('links'), 'the walk follows imports')
  t.same(
    packages.filter((name) => !name.startsWith('node:')),
    ['msgpackr', 'xxhash-wasm'],
  )
})

t.test('the HTTP client loads nothing that a browser lacks', async (t) => {
  const { files, packages } = loadedBy('http-client/public.js')
  t.same(packages, [])
  t.same([...new Set(files.map((file) => file.split('/')[0]))].sort(), ['http-client', 'vocabulary'])
  for (const file of files) t.same(globalsOfNode(file), [], file)
  t.same(globalsOfNode('wire/store-keys.js'), ['Buffer'], 'the check itself notices')
})

t.test('a simulated cluster loads no sockets and no store', async (t) => {
  const { files, packages } = loadedBy('testing.js')
  t.same(packages, ['node:crypto', 'xxhash-wasm'])
  const ofPlatform = files.filter((file) => /^(platform|http|cli|settings)\//.test(file))
  t.same(ofPlatform, ['platform/node-cryptography.js', 'platform/xxhash.js'], 'what is pure')
  t.ok(
    files.includes('node/node.js') && files.includes('client/database.js'),
    'the nodes and clients are the real ones',
  )
})

t.test('the package gives what its exports promise', async (t) => {
  const { exports } = readManifest() as { readonly exports: Readonly<Record<string, { readonly default: string }>> }
  const load = async (name: string): Promise<Record<string, unknown>> => {
    const target = exports[name]?.default.replace('./dist/lib/', '') as string
    return import(join(lib, target))
  }
  const all = await load('.')
  t.match(all, { connect: Function, startNode: Function, json: Object, msgpack: Object, text: Object, bytes: Object })
  const errors = Object.keys(await import(join(lib, 'vocabulary/errors.js'))).filter((name) => /^[A-Z]/.test(name))
  for (const [name, module] of [
    ['.', all],
    ['./client', await load('./client')],
    ['./http', await load('./http')],
  ] as const) {
    t.equal(module.StarlingError, StarlingError, `${name} has the very same classes`)
    t.ok(
      errors.every((error) => error in module),
      `${name} has all error classes`,
    )
  }
  t.match(await load('./client'), { connect: all.connect, toCausalContext: all.toCausalContext })
  t.match(await load('./http'), { HttpClient: all.HttpClient })
  t.match(await load('./testing'), { simulateCluster: Function })
})

t.test('what the client names, the whole package names, types as well', async (t) => {
  const namedIn = (file: string): readonly string[] =>
    [...readFileSync(join(lib, file), 'utf8').matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, names]) =>
      (names as string).split(',').map((name) => name.trim().replace('type ', '')),
    )
  const all = namedIn('index.d.ts')
  t.same(
    namedIn('client/public.d.ts').filter((name) => name !== '' && !all.includes(name)),
    [],
  )
  t.ok(namedIn('client/public.d.ts').length > 20)
})

function loadedBy(entry: string): { readonly files: readonly string[]; readonly packages: readonly string[] } {
  const files = new Set<string>()
  const packages = new Set<string>()
  const walk = (file: string): void => {
    if (files.has(file)) return
    files.add(file)
    const source = readFileSync(file, 'utf8')
    const { module } = parseSync(file, source)
    const imported = [
      ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
      ...module.staticExports.flatMap(({ entries }) => entries.map(({ moduleRequest }) => moduleRequest?.value)),
    ]
    for (const name of imported) {
      if (name?.startsWith('.') === true) walk(resolve(dirname(file), name))
      else if (name !== undefined) packages.add(name)
    }
    const later = module.dynamicImports.map(({ moduleRequest }) => source.slice(moduleRequest.start, moduleRequest.end))
    t.same(
      later.filter((name) => name !== optionalPackage),
      [],
      `${relative(lib, file)} imports everything at once`,
    )
  }
  walk(join(lib, entry))
  return { files: [...files].map((file) => relative(lib, file)), packages: [...packages].sort() }
}

/** Names in its code (comments are none) that only Node.js knows. */
function globalsOfNode(file: string): readonly string[] {
  const found = new Set<string>()
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    const { type, name } = node as { readonly type?: unknown; readonly name?: unknown }
    if (type === 'Identifier' && onlyInNode.has(name as string)) found.add(name as string)
    for (const child of Object.values(node)) visit(child)
  }
  visit(parseSync(file, readFileSync(join(lib, file), 'utf8')).program)
  return [...found]
}

function readManifest(): unknown {
  let directory = lib
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory)
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
}
