import { type Command, Option } from 'commander'
import { addClientOptions, parseWhole } from '../client-options.ts'

const nodeArgument = 'a name or an id, or the beginning of one that no other has'

/** What changes who owns what. Staging changes nothing yet; `commit`, `abort` and `forget` are put to the members. */
export function addLayoutCommands(cluster: Command): void {
  addStagingCommands(cluster)
  addClientOptions(cluster.command('plan').description('show what the staged changes lead to')).action(
    async (options) => (await import('./plan.ts')).clusterPlan(options),
  )
  addDecidingOptions(cluster.command('commit').description('carry out the staged changes'))
    .option('--plan <HASH>', 'only this plan, as it was shown; another one is refused (exit code 6)')
    .option('--force', 'also without a majority of the members, if it only excludes: two clusters may result')
    .action(async (options) => (await import('./commit.ts')).clusterCommit(options))
  addDecidingOptions(
    cluster.command('abort').description('take back the change of owners that is running: the old owners go on'),
  ).action(async (options) => (await import('./commit.ts')).clusterAbort(options))
  addDecidingOptions(
    cluster.command('forget').description('wait no more for a node that is gone: what only it holds is lost'),
  )
    .argument('<node>', nodeArgument)
    .action(async (node, options) => (await import('./commit.ts')).clusterForget(node, options))
}

function addStagingCommands(cluster: Command): void {
  addPlaceOptions(addStagingOptions(cluster.command('join').description('stage nodes to become owners')))
    .argument('<node...>', nodeArgument)
    .action(async (nodes, options) => (await import('./stage.ts')).clusterJoin(nodes, options))
  addStagingOptions(cluster.command('leave').description('stage nodes to hand over what they own, and end'))
    .argument('<node...>', nodeArgument)
    .action(async (nodes, options) => (await import('./stage.ts')).clusterLeave(nodes, options))
  addStagingOptions(cluster.command('replace').description('stage a node to take exactly what another owns'))
    .argument('<old>', nodeArgument)
    .argument('<new>', nodeArgument)
    .option('--force', 'although the old one is alive')
    .action(async (old, successor, options) => (await import('./stage.ts')).clusterReplace(old, successor, options))
  addStagingOptions(cluster.command('exclude').description('stage that nobody waits for a dead node any more'))
    .argument('<node...>', nodeArgument)
    .option('--force', 'although it is alive')
    .action(async (nodes, options) => (await import('./stage.ts')).clusterExclude(nodes, options))
  addPlaceOptions(addStagingOptions(cluster.command('set').description('stage another zone or weight of a node')))
    .argument('<node>', nodeArgument)
    .action(async (node, options) => (await import('./stage.ts')).clusterSet(node, options))
  addStagingOptions(cluster.command('clear').description('take back what is staged: for one node, or all of it'))
    .argument('[node]', nodeArgument)
    .action(async (node, options) => (await import('./stage.ts')).clusterClear(node, options))
}

function addStagingOptions(command: Command): Command {
  return addClientOptions(command)
    .option('--dry-run', 'only show which nodes are meant')
    .option('--yes', 'accepted; staging asks for no confirmation')
}

function addPlaceOptions(command: Command): Command {
  return command
    .option('--zone <Z>', 'its failure domain')
    .option('--weight <W>', 'its share of data, relative to the others of its zone, 1 to 1000', (text) =>
      parseWhole(text, 1, 1000),
    )
}

function addDecidingOptions(command: Command): Command {
  const wait = new Option('--wait [SECONDS]', 'return when nothing moves any more; after SECONDS with exit code 7')
  return addClientOptions(command)
    .option('--dry-run', 'only show what would be done')
    .option('--yes', 'do it without a question')
    .addOption(wait.argParser((text) => parseWhole(text, 1, 604_800)))
}
