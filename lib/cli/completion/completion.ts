import type { Command } from 'commander'
import { UsageError } from '../exit-code.ts'
import { writeData, writeJson } from '../output.ts'
import { bash } from './bash.ts'
import { fish } from './fish.ts'
import { type Place, placesOf, type Values, valuesOfFlags } from './places.ts'
import { zsh } from './zsh.ts'

type Script = (places: readonly Place[], flags: ReadonlyMap<string, Values>) => string

const scripts: Readonly<Record<string, Script>> = { bash, zsh, fish }

/** Commands, flags and words stand in the script; names of nodes and buckets are asked for when they are wanted. */
export async function completion(program: Command, shell: string, options: { readonly json?: boolean }): Promise<void> {
  const make = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined
  if (make === undefined)
    throw new UsageError(`no completion for ${JSON.stringify(shell)}`, `known are ${Object.keys(scripts).join(', ')}`)
  const script = make(placesOf(program), valuesOfFlags(program))
  if (options.json === true) await writeJson('Completion', { shell, script })
  else await writeData(script)
}
