import type { Command } from 'commander'
import { commandNamesOf, flagsOf } from './command-tree.ts'
import { UsageError } from './exit-code.ts'
import { writeData } from './output.ts'

/** What may follow the words of one command. */
interface Place {
  /** The words so far, without `starling`: `kv get`. */
  readonly path: string
  readonly words: readonly string[]
}

const scripts: Readonly<Record<string, (places: readonly Place[]) => string>> = { bash, zsh, fish }

export async function completion(program: Command, shell: string): Promise<void> {
  const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined
  if (script === undefined)
    throw new UsageError(`no completion for ${JSON.stringify(shell)}`, `known are ${Object.keys(scripts).join(', ')}`)
  await writeData(script(placesOf(program, '')))
}

function placesOf(command: Command, path: string): readonly Place[] {
  const below = command.commands.flatMap((next) => placesOf(next, `${path} ${next.name()}`.trim()))
  return [{ path, words: [...commandNamesOf(command), ...flagsOf(command)] }, ...below]
}

function bash(places: readonly Place[]): string {
  return `# starling completion for bash: source <(starling completion bash)
_starling() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ "$word" == -* ]] || path="\${path:+$path }$word"
  done
  while :; do
    case "$path" in
${cases(places, (words) => `COMPREPLY=($(compgen -W "${words}" -- "$current")); return`)}
    esac
    [[ -z "$path" ]] && return
    [[ "$path" == *" "* ]] && path="\${path% *}" || path=""
  done
}
complete -o default -F _starling starling
`
}

function zsh(places: readonly Place[]): string {
  return `#compdef starling
# starling completion for zsh: source <(starling completion zsh)
_starling() {
  local path_so_far="" word
  for word in "\${words[@]:1:$((CURRENT - 2))}"; do
    [[ "$word" == -* ]] || path_so_far="\${path_so_far:+$path_so_far }$word"
  done
  while :; do
    case "$path_so_far" in
${cases(places, (words) => `compadd -- ${words}; _files; return`)}
    esac
    [[ -z "$path_so_far" ]] && return
    [[ "$path_so_far" == *" "* ]] && path_so_far="\${path_so_far% *}" || path_so_far=""
  done
}
compdef _starling starling
`
}

function cases(places: readonly Place[], act: (words: string) => string): string {
  return places.map(({ path, words }) => `      "${path}") ${act(words.join(' '))} ;;`).join('\n')
}

function fish(places: readonly Place[]): string {
  const lines = places.map(
    ({ path, words }) => `complete -c starling -n '__starling_at "${path}"' -a '${words.join(' ')}'`,
  )
  return `# starling completion for fish: starling completion fish | source
function __starling_at
  set -l path
  for word in (commandline -opc)[2..-1]
    string match -q -- '-*' $word; or set -a path $word
  end
  test "$path" = "$argv[1]"
end
${lines.join('\n')}
`
}
