import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { endianness } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Surroundings } from '../../node/fixtures/real-nodes.ts'
import { NothingSeen } from './scenario.ts'

/** How every write and sync below a directory ends; `slow`: well, but late. */
export type DiskFault = 'EIO' | 'EROFS' | 'ENOSPC' | 'slow'

const letters: Readonly<Record<DiskFault, string>> = { EIO: 'E', EROFS: 'R', ENOSPC: 'N', slow: 'S' }

/** As `struct control` of disk-shim.c. */
const controlBytes = 16
const delayAt = 4
const feltAt = 8
const isLittleEndian = endianness() === 'LE'

/** What lies between a node and its disk: a library loaded before the C library's, which fails when it is told to. */
export class FailingDisk {
  readonly surroundings: Surroundings
  readonly #control: string

  /**
   * @param lab in whose directory its files lie, under names that begin with `name`
   * @param below the directory whose files are meant
   * @throws NothingSeen where there is no C compiler, or no Linux
   */
  constructor(lab: { readonly directory: string }, below: string, name = 'disk') {
    this.#control = join(lab.directory, `${name}-control`)
    writeFileSync(this.#control, new Uint8Array(controlBytes))
    this.#set('0', 0)
    this.surroundings = {
      env: {
        LD_PRELOAD: compiled(lab.directory),
        FAILING_DISK_CONTROL: this.#control,
        FAILING_DISK_BELOW: resolve(below),
        // With it, files are written without the C library.
        UV_USE_IO_URING: '0',
      },
    }
  }

  /** @param delayMs by how much `slow` is slower */
  begin(fault: DiskFault, delayMs = 0): void {
    this.#set(letters[fault], delayMs)
  }

  end(): void {
    this.#set('0', 0)
  }

  /** Calls that failed or were late, since the beginning. */
  get felt(): number {
    const view = new DataView(Uint8Array.from(readFileSync(this.#control)).buffer)
    return Number(view.getBigUint64(feltAt, isLittleEndian))
  }

  /** In place: the nodes have this file mapped. The letter last, since it begins what the rest describes. */
  #set(letter: string, delayMs: number): void {
    const delay = new DataView(new ArrayBuffer(4))
    delay.setUint32(0, delayMs, isLittleEndian)
    const file = openSync(this.#control, 'r+')
    writeSync(file, new Uint8Array(delay.buffer), 0, 4, delayAt)
    writeSync(file, letter, 0)
    closeSync(file)
  }
}

function compiled(directory: string): string {
  if (process.platform !== 'linux') throw new NothingSeen('a failing disk is made by LD_PRELOAD, which Linux has')
  const library = join(directory, 'disk-shim.so')
  // Never anew while a node has it loaded.
  if (existsSync(library)) return library
  try {
    execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, source(), '-ldl'], { stdio: 'pipe' })
  } catch (error) {
    throw new NothingSeen(`a failing disk needs a C compiler: ${String(error)}`)
  }
  return library
}

/** The source is not compiled to dist: it is beside the TypeScript of this file. */
function source(): string {
  const name = join('test', 'scenarios', 'kit', 'disk-shim.c')
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, name))) {
    if (directory === dirname(directory)) throw new NothingSeen(`${name} is not beside this program`)
    directory = dirname(directory)
  }
  return join(directory, name)
}
