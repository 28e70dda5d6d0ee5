// Prints cities as NDJSON, the way `starling kv import` reads them:
//   node dist/examples/cities/cities-to-ndjson.js [--count N] > cities.ndjson
import { once } from 'node:events'
import { cityRecords, toLine } from './city-records.ts'
import { parseOptions } from './options.ts'

const { count } = parseOptions(process.argv.slice(2))
for (const record of cityRecords(count)) {
  if (!process.stdout.write(toLine(record))) await once(process.stdout, 'drain')
}
