import { cpSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { FailingDisk } from '../../test/scenarios/kit/failing-disk.ts'
import { BootId, LoopDisk } from '../../test/scenarios/kit/loop-disk.ts'
import type { Preparation, Stage } from '../nemesis.ts'
import { perStage } from './per-stage.ts'

const mebibytes = 192

type Surroundings = ReturnType<NonNullable<Preparation['surroundings']>>

/** What lies below the nodes of one run: who prepares says what kind of disks the nodes are to have, before the first has one. */
class NodeDisks {
  /** Each node has a file system of its own. */
  areMounted = false
  /** Between each node and its files lies what can make them fail. */
  canFail = false
  /** Each node sees a boot of its own. */
  canReboot = false
  readonly preparation: Preparation = {
    data: (name) => this.#dataOf(name),
    surroundings: (name) => this.#surroundings(name),
  }
  readonly #stage: Stage
  readonly #directory: string
  readonly #mounted = new Map<string, LoopDisk>()
  readonly #failing = new Map<string, FailingDisk>()
  readonly #boots = new Map<string, BootId>()

  constructor(stage: Stage) {
    this.#stage = stage
    this.#directory = join(stage.directory, 'disks')
    mkdirSync(this.#directory, { recursive: true })
  }

  mounted(name: string): LoopDisk {
    return known(this.#mounted, name, () => this.#mount(name))
  }

  failing(name: string): FailingDisk {
    return known(this.#failing, name, () => new FailingDisk({ directory: this.#directory }, this.#dataOf(name), name))
  }

  boot(name: string): BootId {
    return known(this.#boots, name, () => new BootId(join(this.#directory, `${name}.boot-id`)))
  }

  #dataOf(name: string): string {
    return this.areMounted ? join(this.mounted(name).path, 'data') : this.#usualDataOf(name)
  }

  /** As run-directory.ts has it. */
  #usualDataOf(name: string): string {
    return join(this.#stage.directory, 'data', name)
  }

  #surroundings(name: string): Surroundings {
    return {
      ...(this.canFail ? this.failing(name).surroundings : {}),
      ...(this.canReboot ? { before: this.boot(name).before } : {}),
    }
  }

  /** When the run ends, what was on it is kept where it would have been without it. */
  #mount(name: string): LoopDisk {
    const teardown = (work: () => unknown): void => this.#stage.teardown(work)
    const disk = LoopDisk.make({ directory: this.#directory, teardown }, name, mebibytes)
    this.#stage.teardown(() => {
      const data = join(disk.path, 'data')
      if (existsSync(data)) cpSync(data, this.#usualDataOf(name), { recursive: true })
    })
    return disk
  }
}

export const nodeDisks = perStage((stage) => new NodeDisks(stage))

function known<Value>(values: Map<string, Value>, name: string, make: () => Value): Value {
  const value = values.get(name) ?? make()
  values.set(name, value)
  return value
}
