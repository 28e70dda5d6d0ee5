import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { pictures, references, withReference } from './references.ts'

/** Run as `npm run docs`, in the root of the package. */
for (const [file, make] of Object.entries(references)) {
  const before = readFileSync(file, 'utf8')
  write(file, before, withReference(before, make()))
}
for (const [file, picture] of Object.entries(await pictures())) {
  mkdirSync(dirname(file), { recursive: true })
  write(file, existsSync(file) ? readFileSync(file, 'utf8') : '', picture)
}

function write(file: string, before: string, after: string): void {
  if (after !== before) writeFileSync(file, after)
  console.log(`${file}: ${after === before ? 'as it was' : 'written'}`)
}
