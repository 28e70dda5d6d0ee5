import type { Command } from 'commander'
import { pathOf } from './command-tree.ts'

/** Command lines as people type them, by the command they show. A test parses each. */
const examples: Readonly<Record<string, readonly string[]>> = {
  start: [
    'starling start --data ./n1',
    'starling start --name n4 --http 127.0.0.1:7100 --peer 127.0.0.1:7101 --data ./n4 --join 127.0.0.1:7071',
  ],
  demo: ['starling demo --nodes 5 --fresh'],
  'kv get': ['starling kv get carts ada', 'starling kv get carts ada --json | jq -r .context'],
  'kv put': [
    "starling kv put carts ada 'bread, milk' --context CONTEXT",
    'starling kv put photos cat.jpg --file cat.jpg --content-type image/jpeg',
  ],
  'kv delete': ['starling kv delete carts ada'],
  'kv scan': ['starling kv scan towns --prefix z --limit 10'],
  'kv resolve': [
    'starling kv resolve carts ada',
    'starling kv resolve carts ada --newest',
    'starling kv resolve carts ada --with \'sort -u "$@"\'',
  ],
  'kv import': [
    'starling kv import towns towns.ndjson --failed failed.ndjson',
    'starling kv export towns | starling kv import copies -',
  ],
  'kv export': ['starling kv export towns > towns.ndjson', 'starling kv export towns --output towns.ndjson --resume'],
  'bucket set': ['starling bucket set sessions conflict=lww ttlSeconds=3600'],
  'token create': [
    'starling token create --role admin --name ada > admin.token',
    'starling token create --role write --name shop --bucket carts --expires 30d',
    "starling token create --role read --bucket 'team-*' --prefix carts/user-",
  ],
  'token revoke': ['starling token revoke 6f1c27a9e05b'],
  'secret generate': ['starling secret generate --out secret', 'starling secret generate'],
  'secret rotate': [
    'starling secret rotate add',
    'starling secret rotate use 84b1e60a',
    'starling secret rotate remove c7cf9d1c --yes',
  ],
  whoami: ['starling whoami', 'starling whoami --json | jq -r .role'],
  explain: ['starling explain carts ada'],
  'cluster status': ['starling cluster status --watch', 'starling cluster status --check'],
  'cluster join': ['starling cluster join n4 --zone eu-1b'],
  'cluster replace': ['starling cluster replace n3 n5'],
  'cluster commit': ['starling cluster commit --wait', 'starling cluster commit --plan HASH --wait 600'],
  repair: ['starling repair --wait', 'starling repair --watch', 'starling repair status --watch'],
  completion: [
    'source <(starling completion bash)',
    'source <(starling completion zsh)',
    'starling completion fish | source',
  ],
}

export function examplesOf(command: Command): readonly string[] {
  return examples[pathOf(command).replace(/^starling ?/, '')] ?? []
}
