import t from 'tap'
import { readPage, runPage } from './fixtures/run-page.ts'

t.test('every command of docs/tour.md does what the page says', { timeout: 150_000 }, async (t) => {
  await runPage(t, readPage('docs/tour.md'), 12)
})
