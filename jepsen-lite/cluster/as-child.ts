import { spawnSync } from 'node:child_process'
import { ordinary } from '../priority.ts'

const bound = ['setpriv', '--pdeathsig', 'KILL']
let isBindable: boolean | undefined

/**
 * Words before the command of a node: it is an ordinary process, however far ahead this one is, and where Linux can see to
 * it, it does not outlive this process, not even one that is killed.
 */
export function asChild(): readonly string[] {
  isBindable ??= spawnSync(bound[0] as string, [...bound.slice(1), 'true'], { stdio: 'ignore' }).status === 0
  return [...ordinary(), ...(isBindable ? bound : [])]
}
