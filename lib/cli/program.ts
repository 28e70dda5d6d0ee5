import { Command, Option } from 'commander'
import { roles } from '../security/principal.ts'
import { addClientOptions, collected, parseDuration, parseWhole } from './client-options.ts'
import { addHelp } from './help.ts'
import { addKvCommands } from './kv/commands.ts'
import { addLayoutCommands } from './layout/commands.ts'
import { packageVersion } from './package-version.ts'
import { addSecretCommands } from './secret/commands.ts'
import { addSettingOptions } from './settings-options.ts'
import { addWatchOption } from './watch.ts'

/** The whole command line. What a command does is loaded when it runs, so that the others need not wait for it. */
export function createProgram(): Command {
  const program = new Command('starling')
    .description('A leaderless key-value database: run nodes, use and inspect them.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .showHelpAfterError(false)
    // Inherited by the commands below: errors become exceptions, and reporting them is ours.
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .addHelpText('after', helpAfter)
  addProcessCommands(program)
  addKvCommands(program)
  addBucketCommands(program)
  addTokenCommands(program)
  addSecretCommands(program)
  addInspectionCommands(program)
  addCompletionCommands(program)
  addHelp(program)
  return program
}

function addCompletionCommands(program: Command): void {
  program
    .command('completion')
    .description('print a completion script for a shell')
    .argument('<shell>', 'bash, zsh or fish')
    .option('--json', 'machine-readable output')
    .action(async (shell, options) => (await import('./completion/completion.ts')).completion(program, shell, options))
  program
    .command('complete', { hidden: true })
    .description('what a completion script asks for: nodes or buckets')
    .argument('<kind>')
    .argument('[line...]')
    .action(async (kind, line) => (await import('./completion/complete.ts')).complete(kind, line))
}

function addProcessCommands(program: Command): void {
  addSettingOptions(program.command('start').description('run one node until SIGTERM or SIGINT'))
    .option(
      '--rebuild',
      'put a damaged data directory aside and start empty; refused unless other owners have its data',
    )
    .option('--json', 'say in JSON where the node listens')
    .action(async (options) => (await import('./start.ts')).start(options))
  program
    .command('demo')
    .description('run a cluster of real node processes on this machine')
    .option('--nodes <N>', 'how many', '3')
    .option(
      '--port <PORT>',
      'HTTP port of the first node; its peer port is the next, the next node is ten further',
      '7070',
    )
    .option('--data <DIR>', 'where the nodes keep their data', './starling-demo')
    .option('--fresh', 'empty that directory first')
    .option('--secure', 'with a secret between the nodes and a token for clients, made in that directory')
    .option('--json', 'machine-readable output')
    .action(async (options) => (await import('./demo/demo.ts')).demo(options))
  addSettingOptions(program.command('config').description('print each setting of a node and where it came from'))
    .option('--json', 'machine-readable output')
    .action(async (options) => (await import('./config.ts')).config(options))
}

function addBucketCommands(program: Command): void {
  const bucket = program.command('bucket').description('how the requests for a bucket are carried out')
  addClientOptions(
    bucket.command('list').description('list the buckets that hold keys, and those whose properties were set'),
  ).action(async (options) => (await import('./bucket.ts')).bucketList(options))
  addClientOptions(bucket.command('show').description('show the properties of a bucket'))
    .argument('<bucket>')
    .action(async (name, options) => (await import('./bucket.ts')).bucketShow(name, options))
  addClientOptions(bucket.command('set').description('change properties of a bucket; the others stay'))
    .argument('<bucket>')
    .argument(
      '<name=value...>',
      'r, w, pr, pw, conflict, durability, readRepair, ttlSeconds, siblingsMax, valueBytesMax; nothing behind the sign: the default',
    )
    .option('--dry-run', 'only show what would change')
    .option('--yes', 'accepted; the command asks for no confirmation')
    .action(async (name, assignments, options) => (await import('./bucket.ts')).bucketSet(name, assignments, options))
}

function addTokenCommands(program: Command): void {
  const token = program.command('token').description('who may ask the cluster for what')
  addClientOptions(token.command('create').description('make a token, and print it: this once'))
    .addOption(new Option('--role <ROLE>', 'what its bearer may do').choices(roles).makeOptionMandatory())
    .option('--name <NAME>', 'what it is for (default: the name of your user)')
    .addOption(
      new Option('--bucket <BUCKET>', 'good for this bucket, or PREFIX* for all that begin so; may be repeated')
        .default([], 'all data')
        .argParser(collected),
    )
    .addOption(
      new Option('--prefix <BUCKET/PREFIX>', 'good for the keys of the bucket that begin so; may be repeated')
        .default([], 'all data')
        .argParser(collected),
    )
    .option('--expires <TIME>', 'how long it is good: 12h, 30d (default: for ever)', parseDuration)
    .option('--dry-run', 'only show what would be made')
    .option('--yes', 'accepted; the command asks for no confirmation')
    .action(async (options) => (await import('./token.ts')).tokenCreate(options))
  addClientOptions(token.command('list').description('list the tokens that the cluster has made')).action(
    async (options) => (await import('./token.ts')).tokenList(options),
  )
  addClientOptions(token.command('revoke').description('make a token good for nothing, for ever'))
    .argument('<id>', 'of the token, as the list shows it')
    .option('--dry-run', 'only show which token is meant')
    .option('--yes', 'accepted; the command asks for no confirmation')
    .action(async (id, options) => (await import('./token.ts')).tokenRevoke(id, options))
  addClientOptions(program.command('whoami').description('say who the node takes you for, and what you may do')).action(
    async (options) => (await import('./token.ts')).whoami(options),
  )
}

function addInspectionCommands(program: Command): void {
  addClientOptions(program.command('explain').description('say why a key reads as it does'))
    .argument('<bucket>')
    .argument('<key>')
    .action(async (bucket, key, options) => (await import('./explain.ts')).explain(bucket, key, options))

  const cluster = program.command('cluster').description('the cluster as a whole')
  addWatchOption(addClientOptions(cluster.command('status').description('list the members and what they own')))
    .option('--check', 'exit with 8 unless every owner is alive and all agree on the layout')
    .action(async (options) => (await import('./cluster-status.ts')).clusterStatus(options))
  addLayoutCommands(cluster)

  addRepairCommands(program)

  const ring = program.command('ring').description('who owns what')
  addClientOptions(ring.command('show').description('list the owners of every partition')).action(async (options) =>
    (await import('./ring.ts')).ringShow(options),
  )
  addClientOptions(ring.command('owners').description('list the owners of a key'))
    .argument('<bucket>')
    .argument('<key>')
    .action(async (bucket, key, options) => (await import('./ring.ts')).ringOwners(bucket, key, options))
  addWatchOption(addClientOptions(ring.command('balance').description('compare the shares of the nodes'))).action(
    async (options) => (await import('./ring.ts')).ringBalance(options),
  )

  const node = program.command('node').description('one node: the one at the first endpoint')
  addWatchOption(addClientOptions(node.command('status').description('what the node says of itself')))
    .option('--check', 'exit with 8 unless the node is ready for requests')
    .action(async (options) => (await import('./node-status.ts')).nodeStatus(options))
  addClientOptions(node.command('drain').description('take the node out of coordination, before it is stopped'))
    .option('--wait <SECONDS>', 'how long to wait for what is in flight there, 0 to 3600 (default: 60)', (text) =>
      parseWhole(text, 0, 3600),
    )
    .option('--dry-run', 'only show which node is meant')
    .option('--yes', 'accepted; draining asks for no confirmation: a restart ends it')
    .action(async (options) => (await import('./node-drain.ts')).nodeDrain(options))
  addClientOptions(node.command('recovered').description('end the recovery of the node by hand'))
    .option('--accept-loss', 'agree to lose what no other owner holds')
    .option('--dry-run', 'only show what would be given up')
    .option('--yes', 'do it: without this the command is refused')
    .action(async (options) => (await import('./node-recovered.ts')).nodeRecovered(options))
}

/** They ask every node of the cluster. */
function addRepairCommands(program: Command): void {
  const aboutNodes = (command: Command): Command =>
    addClientOptions(command).option('--local', 'only the node at the first endpoint that answers')
  addWatchOption(
    aboutNodes(program.command('hints').description('list the writes that nodes keep for absent ones')),
  ).action(async (options) => (await import('./hints.ts')).hints(options))
  addWatchOption(
    aboutNodes(program.command('transfers').description('list the data that moves between nodes now')),
  ).action(async (options) => (await import('./transfers.ts')).transfers(options))
  const repair = program.command('repair').description('compare and repair copies in the background')
  addWatchOption(
    aboutNodes(
      repair.command('run', { isDefault: true }).description('begin an exchange between all owners now (the default)'),
    ),
  )
    .option('--wait', 'return when they are done')
    .action(async (options) => (await import('./repair.ts')).repairRun(options))
  addWatchOption(
    aboutNodes(repair.command('status').description('list when nodes last compared their copies, and what came of it')),
  ).action(async (options) => (await import('./repair.ts')).repairStatus(options))
}

const helpAfter = `
Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 usage, 3 no node reachable,
4 refused, 5 not found, 6 conflict, 7 timed out or partial, 8 unhealthy (--check).`
