import { execFile, execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Scope } from '../../platform/fixtures/scratch.ts'
import { NothingSeen } from './scenario.ts'

const run = promisify(execFile)

/**
 * A disk whose power can be cut: ext4 in a file, mounted through a loop device. What a program has written and not
 * synced is in the page cache of the file system above, and not in the file.
 */
export class LoopDisk {
  /** Where it is mounted. */
  readonly path: string
  #image: string
  #copies = 0

  private constructor(path: string, image: string) {
    this.path = path
    this.#image = image
  }

  /** @param lab in whose directory it lies, and at whose end it is unmounted @throws NothingSeen where we may not mount */
  static make(lab: Grounds, name: string, mebibytes: number): LoopDisk {
    const path = join(lab.directory, `${name}.disk`)
    const image = join(lab.directory, `${name}.img`)
    mkdirSync(path)
    writeFileSync(image, '')
    truncateSync(image, mebibytes * 1024 * 1024)
    try {
      execFileSync('mkfs.ext4', ['-q', '-F', image], { stdio: 'pipe' })
      execFileSync('mount', ['-o', 'loop', image, path], { stdio: 'pipe' })
    } catch (error) {
      throw new NothingSeen(`mounting an ext4 image needs root on Linux: ${String(error)}`)
    }
    const disk = new LoopDisk(path, image)
    lab.teardown(() => disk.#remove())
    return disk
  }

  /** What the disk would hold if the power failed now. Whoever writes to it must be asleep meanwhile. @returns the copy */
  async copyAsItIs(): Promise<string> {
    this.#copies += 1
    const copy = `${this.#image}.${this.#copies}`
    await run('cp', ['--sparse=always', this.#image, copy])
    return copy
  }

  /** The machine comes back with what its disk held. No program may have files open on it. */
  async becomes(copy: string): Promise<void> {
    await run('umount', [this.path])
    await rm(this.#image)
    await run('mount', ['-o', 'loop', copy, this.path])
    this.#image = copy
  }

  /** Even if somebody still has a file open on it. */
  async #remove(): Promise<void> {
    await run('umount', ['-l', this.path])
    await rm(this.#image, { force: true })
  }

  /** Bytes of a file on it, 0 if there is no such file. */
  async sizeOf(name: string): Promise<number> {
    const names = await readdir(this.path)
    return names.includes(name) ? (await stat(join(this.path, name))).size : 0
  }
}

interface Grounds extends Scope {
  readonly directory: string
}

/**
 * Words before a command that let it see another boot of the machine than this one: the name of the boot is part of how
 * a node knows that what it had not synced may be gone.
 */
export function afterReboot(lab: Grounds): readonly string[] {
  return new BootId(join(lab.directory, 'boot-id')).before
}

/** The name of the boot of a machine that is none: whoever is started by `before` reads it, and sees it change. */
export class BootId {
  /** Words before a command; they end in it by `exec`. */
  readonly before: readonly string[]
  readonly #file: string

  constructor(file: string) {
    this.#file = file
    this.before = ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"', file]
    this.change()
  }

  /** In place: it is the file that is mounted. */
  change(): void {
    writeFileSync(this.#file, `${randomUUID()}\n`)
  }
}
