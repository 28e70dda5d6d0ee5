import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { faketimeLibrary } from './faketime-library.ts'
import { type Capability, type CapabilityName, capabilityNames } from './nemesis.ts'

const run = promisify(execFile)

/** Each of its steps; a machine on which one hangs cannot do it. */
const stepMsMax = 5_000
const smallDiskBytes = 8 * 1024 * 1024
const bootIdFile = '/proc/sys/kernel/random/boot_id'

/** What a probe found. @throws whatever kept it from it, with the remedy said by `remedies` */
type Probe = (directory: string) => Promise<string>

const probes: Readonly<Record<CapabilityName, Probe>> = {
  namespaces: networkNamespaces,
  proxy: loopback,
  signals: stopAndGo,
  faketime: otherTime,
  'loop-mounts': loopMount,
  fsfreeze: freeze,
  'c-compiler': compile,
  'boot-id': otherBoot,
}

const remedies: Readonly<Record<CapabilityName, string>> = {
  namespaces: 'run as root on Linux, with iproute2 and nftables installed',
  proxy: 'let this process listen on 127.0.0.1',
  signals: 'run on Linux: whether a process has stopped is read in /proc',
  faketime: 'apt-get install faketime',
  'loop-mounts': 'run as root on Linux with loop devices, and e2fsprogs installed',
  fsfreeze: 'run as root on Linux with loop devices, and e2fsprogs and util-linux installed',
  'c-compiler': 'apt-get install gcc libc6-dev',
  'boot-id': 'run as root on Linux, with util-linux installed',
}

const probed = new Map<CapabilityName, Promise<Capability>>()

/**
 * Tries everything that a nemesis may need, or some of it, all at once; the same answer ever after. Takes seconds, and
 * leaves nothing behind.
 */
export function probeCapabilities(names: readonly CapabilityName[] = capabilityNames): Promise<readonly Capability[]> {
  return Promise.all(
    names.map((name) => {
      const known = probed.get(name) ?? probe(name)
      probed.set(name, known)
      return known
    }),
  )
}

/** Those of `needs` that are not there, with their reasons. Empty: all are. */
export function missing(capabilities: readonly Capability[], needs: readonly CapabilityName[]): readonly string[] {
  return needs.flatMap((need) => {
    const found = capabilities.find(({ name }) => name === need)
    return found?.isThere === true ? [] : [`${need}: ${found?.detail ?? 'was not looked for'}`]
  })
}

/** One line each. */
export function capabilityTable(capabilities: readonly Capability[]): string {
  const width = Math.max(...capabilityNames.map(({ length }) => length))
  return capabilities
    .map(({ name, isThere, detail }) => `${name.padEnd(width)}  ${isThere ? 'yes' : 'no '}  ${detail}`)
    .join('\n')
}

async function probe(name: CapabilityName): Promise<Capability> {
  const directory = await mkdtemp(join(tmpdir(), 'starling-probe-'))
  try {
    return { name, isThere: true, detail: await probes[name](directory) }
  } catch (error) {
    return { name, isThere: false, detail: `${reasonOf(error)}; to have it: ${remedies[name]}` }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** The first line of what a command complained about, or the message. */
function reasonOf(error: unknown): string {
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
  const message = said === '' && error instanceof Error ? error.message : said
  return message.split('\n')[0]?.trim() || String(error)
}

async function command(name: string, ...words: readonly string[]): Promise<string> {
  const { stdout } = await run(name, words, { timeout: stepMsMax, killSignal: 'SIGKILL' })
  return stdout.trim()
}

/** In a namespace of its own, which ends with its last process. */
async function networkNamespaces(): Promise<string> {
  const tries = [
    'ip link add jlprobe type veth peer name jlprobe2',
    'ip link add jlbridge type bridge',
    'nft "add table bridge jlprobe"',
    'nft "add chain bridge jlprobe links { type filter hook forward priority 0 ; }"',
  ]
  await command('unshare', '-n', 'sh', '-ec', tries.join('\n'))
  return 'namespaces, veth, bridge and nft'
}

async function loopback(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.close()
  await once(server, 'close')
  return 'listens on 127.0.0.1'
}

async function stopAndGo(): Promise<string> {
  const child = spawn('sleep', ['30'], { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('close', resolve))
  try {
    await once(child, 'spawn')
    child.kill('SIGSTOP')
    const endMs = performance.now() + stepMsMax
    while ((await stateOf(child.pid ?? 0)) !== 'T') {
      if (performance.now() > endMs) throw new Error('a stopped process is not seen in state T')
    }
    return 'a stopped process is in state T'
  } finally {
    child.kill('SIGKILL')
    await ended
  }
}

/** As the kernel calls it: R, S, D, T, Z. Linux only. */
export async function stateOf(pid: number): Promise<string> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The name before it is in parentheses and may hold any character.
  return line.slice(line.lastIndexOf(')') + 2).charAt(0)
}

async function otherTime(directory: string): Promise<string> {
  const library = faketimeLibrary()
  if (library === undefined) throw new Error('libfaketimeMT.so.1 is in none of the usual places')
  const file = join(directory, 'offset')
  await writeFile(file, '+300')
  const words = ['-e', 'console.log(Date.now())']
  const env = { ...process.env, LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_DONT_FAKE_MONOTONIC: '1' }
  const { stdout } = await run(process.execPath, words, { timeout: stepMsMax, killSignal: 'SIGKILL', env })
  const aheadSeconds = Math.round((Number(stdout) - Date.now()) / 1000)
  if (Math.abs(aheadSeconds - 300) > 5) throw new Error(`with ${library}, +300 s became ${aheadSeconds} s`)
  return library
}

async function loopMount(directory: string): Promise<string> {
  await withLoopMount(directory, async () => undefined)
  return 'mounts ext4 in a file'
}

async function freeze(directory: string): Promise<string> {
  await withLoopMount(directory, async (path) => {
    await command('fsfreeze', '-f', path)
    await command('fsfreeze', '-u', path)
  })
  return 'freezes and thaws ext4 in a file'
}

async function withLoopMount(directory: string, use: (path: string) => Promise<void>): Promise<void> {
  const image = join(directory, 'image')
  const path = join(directory, 'mounted')
  await mkdir(path)
  await writeFile(image, '')
  await truncate(image, smallDiskBytes)
  await command('mkfs.ext4', '-q', '-F', image)
  await command('mount', '-o', 'loop', image, path)
  try {
    await use(path)
  } finally {
    await command('umount', path)
  }
}

async function compile(directory: string): Promise<string> {
  const source = join(directory, 'probe.c')
  await writeFile(source, '#include <dlfcn.h>\nint probe(void) { return dlsym(RTLD_DEFAULT, "open") == 0; }\n')
  await command('cc', '-shared', '-fPIC', '-o', join(directory, 'probe.so'), source, '-ldl')
  if (process.platform !== 'linux') throw new Error('it compiles, but nothing is loaded before the C library here')
  return `cc ${await command('cc', '-dumpversion')}`
}

async function otherBoot(directory: string): Promise<string> {
  const file = join(directory, 'boot-id')
  const id = randomUUID()
  await writeFile(file, `${id}\n`)
  const script = `mount --bind "$0" ${bootIdFile} && exec cat ${bootIdFile}`
  const seen = await command('unshare', '-m', 'sh', '-c', script, file)
  if (seen !== id) throw new Error('another boot id is not seen')
  return 'shows a process another boot id'
}
