import { readFileSync } from 'node:fs'
import t from 'tap'
import { pictures, references, withReference } from './references.ts'

for (const [file, make] of Object.entries(references)) {
  t.test(`${file} holds what the code says (else: npm run docs)`, async (t) => {
    // Tests run in the root of the package.
    const page = readFileSync(file, 'utf8')
    t.equal(page, withReference(page, make()))
  })
}

t.test('the pictures are those that the code draws (else: npm run docs)', async (t) => {
  for (const [file, picture] of Object.entries(await pictures())) t.equal(readFileSync(file, 'utf8'), picture, file)
})

t.test('a page without marks, or with them the wrong way round, is refused', async (t) => {
  const [begin, end] = ['follows', 'precedes'].map((word) => `<!-- what ${word} is written by npm run docs -->`)
  t.equal(withReference(`a\n${begin}\nold\n${end}\nb`, 'new'), `a\n${begin}\n\nnew\n\n${end}\nb`)
  t.throws(() => withReference('a', 'new'))
  t.throws(() => withReference(`${end} ${begin}`, 'new'))
})
