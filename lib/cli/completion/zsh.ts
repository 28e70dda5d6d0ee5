import { kindOf } from './bash.ts'
import type { Described, Place, Values } from './places.ts'
import { quoted } from './quoted.ts'

export function zsh(places: readonly Place[], flags: ReadonlyMap<string, Values>): string {
  return `#compdef starling
# starling completion for zsh: source <(starling completion zsh)
_starling() {
  local word path_so_far="" flag="" kind="" place=0 isopen="" current="\${words[CURRENT]}"
  local -a below options kinds found
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if [[ -n "$flag" ]]; then flag=""
    elif [[ "$word" == -* ]]; then _starling_flag "$word" && flag="$word"
    elif ((place == 0)) && _starling_place "\${path_so_far:+$path_so_far }$word"; then
      path_so_far="\${path_so_far:+$path_so_far }$word"
    else ((place += 1))
    fi
  done
  _starling_place "$path_so_far"
  if [[ -n "$flag" ]]; then _starling_flag "$flag"
  elif [[ "$current" == --*=* ]]; then
    _starling_flag "\${current%%=*}" || return 1
    compset -P '*='
  elif [[ "$current" == -* ]]; then _describe -o 'option' options; return
  elif (($#below > 0 && place == 0)); then _describe 'command' below; return
  elif ((place < $#kinds)); then kind="\${kinds[place+1]}"
  elif [[ -n "$isopen" ]]; then kind="\${kinds[-1]}"
  else kind=""
  fi
  case "$kind" in
    nodes | buckets)
      found=("\${(@f)$("\${(Q)words[1]}" complete "$kind" -- "\${(@)words[2,CURRENT]}" 2> /dev/null)}")
      compadd -- "\${(@)found:#}"
      ;;
    files) _files ;;
    directories) _files -/ ;;
    names:*) found=("\${(@s:,:)kind#*:}"); compadd -S '' -- "\${found[@]}" ;;
    words:*) found=("\${(@s:,:)kind#*:}"); compadd -- "\${found[@]}" ;;
    *) return 1 ;;
  esac
}

_starling_place() {
  case "$1" in
${places.map(placeCase).join('\n')}
    *) return 1 ;;
  esac
}

_starling_flag() {
  case "$1" in
${[...flags].map(([flag, values]) => `    ${flag}) kind=${quoted(kindOf(values))} ;;`).join('\n')}
    *) return 1 ;;
  esac
}
compdef _starling starling
`
}

function placeCase({ path, commands, flags, values, isOpen }: Place): string {
  const items = (described: readonly Described[]): string =>
    described.map(({ word, description }) => quoted(`${word.replaceAll(':', '\\:')}:${description}`)).join(' ')
  return `    ${quoted(path)})
      below=(${items(commands)})
      options=(${items(flags)})
      kinds=(${values.map((value) => quoted(kindOf(value))).join(' ')}) isopen=${isOpen ? '1' : "''"}
      ;;`
}
