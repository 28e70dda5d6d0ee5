import { execFile } from 'node:child_process'
import { copyFile, mkdir, readdir, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Lab } from './lab.ts'
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

  /** @throws NothingSeen where we may not mount */
  static async make(lab: Lab, name: string, mebibytes: number): Promise<LoopDisk> {
    const path = join(lab.directory, `${name}.disk`)
    const image = join(lab.directory, `${name}.img`)
    await mkdir(path)
    await writeFile(image, '')
    await truncate(image, mebibytes * 1024 * 1024)
    try {
      await run('mkfs.ext4', ['-q', '-F', image])
      await run('mount', ['-o', 'loop', image, path])
    } catch (error) {
      throw new NothingSeen(`mounting an ext4 image needs root on Linux: ${String(error)}`)
    }
    lab.teardown(() => run('umount', [path]))
    return new LoopDisk(path, image)
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
    await run('mount', ['-o', 'loop', copy, this.path])
    this.#image = copy
  }

  /** Bytes of a file on it, 0 if there is no such file. */
  async sizeOf(name: string): Promise<number> {
    const names = await readdir(this.path)
    return names.includes(name) ? (await stat(join(this.path, name))).size : 0
  }
}

/**
 * Words before a command that let it see another boot of the machine than this one: the name of the boot is part of how
 * a node knows that what it had not synced may be gone.
 */
export async function afterReboot(lab: Lab): Promise<readonly string[]> {
  const file = join(lab.directory, 'boot-id')
  await copyFile('/proc/sys/kernel/random/uuid', file)
  return ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"', file]
}
