import { readFileSync, writeFileSync } from 'node:fs'
import { references, withReference } from './references.ts'

/** Run as `npm run docs`, in the root of the package. */
for (const [file, make] of Object.entries(references)) {
  const before = readFileSync(file, 'utf8')
  const after = withReference(before, make())
  if (after !== before) writeFileSync(file, after)
  console.log(`${file}: ${after === before ? 'as it was' : 'written'}`)
}
