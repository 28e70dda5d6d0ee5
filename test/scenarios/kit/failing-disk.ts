import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Surroundings } from '../../node/fixtures/real-nodes.ts'
import type { Lab } from './lab.ts'
import { NothingSeen } from './scenario.ts'

/** How every write and sync below a directory ends. */
export type DiskFault = 'EIO' | 'EROFS'

const letters: Readonly<Record<DiskFault, string>> = { EIO: 'E', EROFS: 'R' }

/** What lies between a node and its disk: a library loaded before the C library's, which fails when it is told to. */
export class FailingDisk {
  readonly surroundings: Surroundings
  readonly #control: string

  /**
   * @param below the directory whose files are meant
   * @throws NothingSeen where there is no C compiler, or no Linux
   */
  constructor(lab: Lab, below: string) {
    this.#control = join(lab.directory, 'disk-control')
    writeFileSync(this.#control, '0')
    this.surroundings = {
      env: {
        LD_PRELOAD: compiled(lab),
        FAILING_DISK_CONTROL: this.#control,
        FAILING_DISK_BELOW: resolve(below),
        // With it, files are written without the C library.
        UV_USE_IO_URING: '0',
      },
    }
  }

  begin(fault: DiskFault): void {
    this.#set(letters[fault])
  }

  end(): void {
    this.#set('0')
  }

  /** In place: the nodes have this file mapped. */
  #set(letter: string): void {
    const file = openSync(this.#control, 'r+')
    writeSync(file, letter, 0)
    closeSync(file)
  }
}

function compiled(lab: Lab): string {
  if (process.platform !== 'linux') throw new NothingSeen('a failing disk is made by LD_PRELOAD, which Linux has')
  const library = join(lab.directory, 'disk-shim.so')
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
