import type { Place, Values } from './places.ts'
import { quoted } from './quoted.ts'

/** The words of the line are read anew, because bash cuts them at `:` and `=`, which addresses and properties have. */
export function bash(places: readonly Place[], flags: ReadonlyMap<string, Values>): string {
  return `# starling completion for bash: source <(starling completion bash)
_starling() {
  local IFS=$' \\t\\n' line=() current word path="" count=0 flag="" commands="" flags="" values="" i
  if [[ -n "\${COMP_LINE-}" ]]; then
    local typed="\${COMP_LINE:0:COMP_POINT}"
    read -ra line <<< "$typed"
    [[ "$typed" == *[[:space:]] ]] && line+=("")
  else
    line=("\${COMP_WORDS[@]:0:COMP_CWORD+1}")
  fi
  current="\${line[\${#line[@]}-1]}"
  COMPREPLY=()
  for ((i = 1; i < \${#line[@]} - 1; i++)); do
    word="\${line[i]}"
    if [[ -n "$flag" ]]; then flag=""
    elif [[ "$word" == -* ]]; then _starling_flag "$word" > /dev/null && flag="$word"
    elif ((count == 0)) && _starling_place "\${path:+$path }$word"; then path="\${path:+$path }$word"
    else ((count++))
    fi
  done
  _starling_place "$path"
  if [[ -n "$flag" ]]; then values="$(_starling_flag "$flag")"
  elif [[ "$current" == --*=* ]]; then
    values="$(_starling_flag "\${current%%=*}")" || return
    current="\${current#*=}"
  elif [[ "$current" == -* ]]; then COMPREPLY=($(compgen -W "$flags" -- "$current")); return
  elif [[ -n "$commands" && "$count" == 0 ]]; then COMPREPLY=($(compgen -W "$commands" -- "$current")); return
  else
    local kinds=($values)
    values=""
    if ((count < \${#kinds[@]})); then values="\${kinds[count]}"
    elif [[ "\${kinds[*]: -1}" == *... ]]; then values="\${kinds[*]: -1}"
    fi
    values="\${values%...}"
  fi
  case "$values" in
    nodes | buckets) COMPREPLY=($(compgen -W "$("\${line[0]}" complete "$values" -- "\${line[@]:1}" 2> /dev/null)" -- "$current")) ;;
    files) compopt -o filenames 2> /dev/null; COMPREPLY=($(compgen -f -- "$current")) ;;
    directories) compopt -o filenames 2> /dev/null; COMPREPLY=($(compgen -d -- "$current")) ;;
    names:*) compopt -o nospace 2> /dev/null; COMPREPLY=($(IFS=,; compgen -W "\${values#*:}" -- "$current")) ;;
    words:*) COMPREPLY=($(IFS=,; compgen -W "\${values#*:}" -- "$current")) ;;
  esac
  # Only the part behind the last colon is what bash takes for the word.
  if [[ "$current" == *:* && "\${COMP_WORDBREAKS-}" == *:* ]]; then
    word="\${current%"\${current##*:}"}"
    COMPREPLY=("\${COMPREPLY[@]#"$word"}")
  fi
}

# What may follow a command: sets commands, flags and values.
_starling_place() {
  case "$1" in
${places.map(placeCase).join('\n')}
    *) return 1 ;;
  esac
}

# What follows a flag that takes a value.
_starling_flag() {
  case "$1" in
${flagCases(flags).join('\n')}
    *) return 1 ;;
  esac
}
complete -F _starling starling
`
}

function placeCase({ path, commands, flags, values, isOpen }: Place): string {
  const words = (described: readonly { readonly word: string }[]): string => described.map(({ word }) => word).join(' ')
  const kinds = values.map(kindOf).map((kind, at) => (isOpen && at === values.length - 1 ? `${kind}...` : kind))
  return `    ${quoted(path)}) commands=${quoted(words(commands))} flags=${quoted(words(flags))} values=${quoted(kinds.join(' '))} ;;`
}

function flagCases(flags: ReadonlyMap<string, Values>): readonly string[] {
  const byKind = new Map<string, string[]>()
  for (const [flag, values] of flags) byKind.set(kindOf(values), [...(byKind.get(kindOf(values)) ?? []), flag])
  return [...byKind].map(([kind, names]) => `    ${names.join(' | ')}) echo ${quoted(kind)} ;;`)
}

/** One word without spaces: `nodes`, `words:one,quorum,all`. */
export function kindOf(values: Values): string {
  return 'words' in values ? `${values.type}:${values.words.join(',')}` : values.type
}
