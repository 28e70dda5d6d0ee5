import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The nodes, and what judges them. How results are shown changes none. */
const folders = ['bin', 'lib', 'jepsen-lite', join('test', 'checkers')]
const shownBy = join('jepsen-lite', 'report') + sep

/**
 * Names the compiled code that a run stands for: other code has not been tested by it, whatever its version says.
 * @param root of the compiled tree
 */
export function buildId(root = fileURLToPath(new URL('..', import.meta.url))): string {
  const hash = createHash('sha256')
  for (const folder of folders) {
    const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    for (const file of files.filter((one) => one.endsWith('.js')).sort()) {
      const path = join(folder, file)
      if (!path.startsWith(shownBy))
        hash
          .update(`${path}\0`)
          .update(readFileSync(join(root, path)))
          .update('\0')
    }
  }
  return hash.digest('hex').slice(0, 12)
}
