import type { Command } from 'commander'
import { addClientOptions } from '../client-options.ts'

const keyArgument = 'the id of a key, as `starling secret status` shows it, or the beginning of one'

/** The secret that nodes share: made here, changed through the running cluster. */
export function addSecretCommands(program: Command): void {
  const secret = program.command('secret').description('the secret that nodes share')
  secret
    .command('generate')
    .description('make a key for the secret file of every node; asks no node')
    .option('--out <FILE>', 'write it there, readable by its owner alone; never over a file that is there')
    .option('--json', 'machine-readable output')
    .action(async (options) => (await import('./generate.ts')).secretGenerate(options))
  addClientOptions(secret.command('status').description('show which node has which keys, by their ids')).action(
    async (options) => (await import('./status.ts')).secretStatus(options),
  )
  const rotate = secret.command('rotate').description('change the key through the running cluster: add, use, remove')
  addOrderOptions(
    rotate
      .command('add')
      .description('make a new key, and have every node receive with it; or bring one to who lacks it'),
    'accepted; the command asks for no confirmation',
  )
    .argument('[key]', keyArgument)
    .action(async (key, options) => (await import('./rotate.ts')).secretRotate('add', key, options))
  addOrderOptions(
    rotate.command('use').description('have every node send with a key that all have'),
    'do it without a question; there is one only with --force',
  )
    .argument('<key>', keyArgument)
    .option('--force', 'although a node lacks it or cannot be asked: it may be cut off')
    .action(async (key, options) => (await import('./rotate.ts')).secretRotate('use', key, options))
  addOrderOptions(
    rotate.command('remove').description('have every node forget a key that none sends with'),
    'do it without a question',
  )
    .argument('<key>', keyArgument)
    .option('--force', 'although a node sends with it or cannot be asked: it may be cut off')
    .action(async (key, options) => (await import('./rotate.ts')).secretRotate('remove', key, options))
}

function addOrderOptions(command: Command, yes: string): Command {
  return addClientOptions(command).option('--dry-run', 'only show whether it would be done').option('--yes', yes)
}
