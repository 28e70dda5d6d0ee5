import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Child } from './child.ts'
import { LoadGenerator } from './load-generator.ts'

/** The processes and files of one run. However it ends, none of them stays behind. */
export class Workplace {
  readonly #directory = mkdtempSync(join(tmpdir(), 'starling-bench-'))
  readonly #children = new Set<Child>()
  readonly #generators = new Set<LoadGenerator>()
  #placeCount = 0

  constructor() {
    process.once('exit', () => this.#cleanUp())
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  }

  /** An empty place for the data and logs of a system. */
  newDirectory(name: string): string {
    this.#placeCount += 1
    return join(this.#directory, `${this.#placeCount}-${name}`)
  }

  readonly started = (child: Child): void => {
    this.#children.add(child)
  }

  startGenerator(): LoadGenerator {
    const generator = new LoadGenerator()
    this.#generators.add(generator)
    return generator
  }

  /** Ends all that runs, so that the next ones have the machine to themselves. */
  async clear(): Promise<void> {
    for (const generator of this.#generators) generator.stop()
    this.#generators.clear()
    await Promise.all([...this.#children].map((child) => child.stop()))
    this.#children.clear()
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 })
  }

  #cleanUp(): void {
    for (const child of this.#children) child.kill()
    for (const generator of this.#generators) generator.stop()
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 })
  }
}
