import { type Command, Option } from 'commander'
import { addClientOptions, parseQuorum, parseWhole } from '../client-options.ts'
import { parseMetadata } from './parse-metadata.ts'

export function addKvCommands(program: Command): void {
  const kv = program.command('kv').description('read and write keys')

  addReadOptions(addClientOptions(kv.command('get').description('print the value of a key, byte for byte')))
    .argument('<bucket>')
    .argument('<key>')
    .action(async (bucket, key, options) => (await import('./get.ts')).get(bucket, key, options))

  addWriteOptions(
    addClientOptions(kv.command('put').description('store a value: given, from a file, or from standard input')),
  )
    .argument('<bucket>')
    .argument('<key>')
    .argument('[value]', 'the value itself; - reads standard input')
    .option('--file <FILE>', 'read the value from a file')
    .option('--content-type <TYPE>', 'default: application/octet-stream')
    .addOption(metadataOption())
    .option('--ttl <SECONDS>', 'how long the value lives', (text) => parseWhole(text, 1, 999_999_999))
    .action(async (bucket, key, value, options) => (await import('./put.ts')).put(bucket, key, value, options))

  addWriteOptions(
    addClientOptions(kv.command('delete').description('delete a key: what the context covers, or what is there now')),
  )
    .argument('<bucket>')
    .argument('<key>')
    .action(async (bucket, key, options) => (await import('./delete.ts')).deleteKey(bucket, key, options))

  addRangeOptions(
    addClientOptions(kv.command('scan').alias('list').description('list the live keys of a bucket in key order')),
  )
    .argument('<bucket>')
    .option('--limit <N>', 'at most this many keys', (text) => parseWhole(text, 1, 999_999_999))
    .option('--reverse', 'from the greatest key to the least')
    .option('--cursor <CURSOR>', 'go on where a scan of the same range was ended by its limit')
    .option('--values', 'with --json: contexts and siblings too')
    .action(async (bucket, options) => (await import('./scan.ts')).scan(bucket, options))

  addResolveCommand(kv)

  addClientOptions(kv.command('import').description('store the records of an NDJSON file, each exactly once'))
    .argument('<bucket>')
    .argument(
      '<file>',
      'lines of {"key", "value" or "valueBase64", ...} or {"key", "siblings": [...]}; - reads standard input',
    )
    .option('--concurrency <N>', 'records on their way at once (default: 64)', (text) => parseWhole(text, 1, 1024))
    .option('--retry-seconds <N>', 'how long one record is tried (default: 60)', (text) => parseWhole(text, 0, 86_400))
    .option('--from-line <N>', 'pass over the lines before: where an import stopped it names the line', (text) =>
      parseWhole(text, 1, 999_999_999),
    )
    .option('--failed <FILE>', 'write the lines that failed there, to be imported again')
    .option('--w <N>', 'acks to wait for: a count, one, quorum or all', parseQuorum)
    .action(async (bucket, file, options) => (await import('../import/import.ts')).importFile(bucket, file, options))

  addRangeOptions(
    addClientOptions(kv.command('export').description('print the records of a bucket as NDJSON, as import reads it')),
  )
    .argument('<bucket>')
    .option('--output <FILE>', 'write to a file instead')
    .option('--resume', 'go on behind the last whole line of that file')
    .action(async (bucket, options) => (await import('./export.ts')).exportBucket(bucket, options))
}

function addResolveCommand(kv: Command): void {
  const description = 'put one value in the place of all siblings of a key; asks which on a terminal'
  addWriteOptions(addClientOptions(kv.command('resolve').description(description)), { context: false })
    .argument('<bucket>')
    .argument('<key>')
    .option('--pick <N>', 'that one, by its number in the list or its etag')
    .option('--newest', 'the one that was written last, by the clocks of the nodes')
    .option('--value <VALUE>', 'this value instead')
    .option('--file <FILE>', 'the content of a file instead')
    .option('--with <COMMAND>', 'what a command prints, run by sh: the siblings are on its input, and in files: "$@"')
    .option('--edit', 'what is left of them in an editor: $VISUAL, $EDITOR or vi')
    .option('--delete', 'nothing: delete the key')
    .option('--content-type <TYPE>', 'default: that of the siblings')
    .addOption(metadataOption())
    .option('--ttl <SECONDS>', 'how long the value lives', (text) => parseWhole(text, 1, 999_999_999))
    .option('--dry-run', 'only show what would be written')
    .action(async (bucket, key, options) => (await import('./resolve.ts')).resolve(bucket, key, options))
}

function addReadOptions(command: Command): Command {
  return command
    .option('--r <N>', 'answers to wait for: a count, one, quorum or all', parseQuorum)
    .option('--pr <N>', 'how many of them must be owners', parseQuorum)
    .option('--no-sloppy', 'let no fallback count')
}

function addWriteOptions(command: Command, has = { context: true }): Command {
  if (has.context) command.option('--context <CONTEXT>', 'of the read that this is based on; kv get --json shows it')
  return command
    .option('--w <N>', 'acks to wait for: a count, one, quorum or all', parseQuorum)
    .option('--pw <N>', 'how many of them must be owners', parseQuorum)
    .option('--no-sloppy', 'let no fallback count')
    .option('--durability <LEVEL>', 'os or disk; default: as the bucket says')
    .option('--idempotency-key <KEY>', 'makes every try of this write one write, for ten minutes')
}

function addRangeOptions(command: Command): Command {
  return command
    .option('--prefix <TEXT>', 'only keys that begin so')
    .option('--start <KEY>', 'first key, included')
    .option('--end <KEY>', 'last key, excluded')
}

function metadataOption(): Option {
  return new Option('--meta <NAME=VALUE>', 'metadata to keep with the value; may be repeated')
    .default({}, 'none')
    .argParser(parseMetadata)
}
