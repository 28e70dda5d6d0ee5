import { kindOf } from './bash.ts'
import type { Described, Place, Values } from './places.ts'

export function fish(places: readonly Place[], flags: ReadonlyMap<string, Values>): string {
  return `# starling completion for fish: starling completion fish | source
function __starling_complete
  set -l line (commandline -opc)
  set -l current (commandline -ct)
  set -l so_far ""
  set -l flag ""
  set -l count 0
  set -l kind ""
  for word in $line[2..-1]
    if test -n "$flag"
      set flag ""
    else if string match -q -- '-*' $word
      if test -n (__starling_flag $word | string collect -a)
        set flag $word
      end
    else if test $count -eq 0; and contains -- (string trim "$so_far $word") $__starling_paths
      set so_far (string trim "$so_far $word")
    else
      set count (math $count + 1)
    end
  end
  set -l before ""
  if test -n "$flag"
    set kind (__starling_flag $flag)
  else if string match -q -- '--*=*' $current
    set -l parts (string split -m 1 = -- $current)
    set kind (__starling_flag $parts[1])
    set before "$parts[1]="
    set current $parts[2]
  else if string match -q -- '-*' $current
    __starling_flags $so_far
    return
  else
    set -l words (__starling_commands $so_far)
    if test $count -eq 0; and test (count $words) -gt 0
      printf '%s\\n' $words
      return
    end
    set -l kinds (__starling_values $so_far)
    if test (count $kinds) -gt $count
      set kind (string replace -r '\\.\\.\\.$' '' -- $kinds[(math $count + 1)])
    else if string match -q -- '*...' "$kinds[-1]"
      set kind (string replace -r '\\.\\.\\.$' '' -- $kinds[-1])
    end
  end
  switch "$kind"
    case nodes buckets
      for found in ($line[1] complete $kind -- $line[2..-1] $current 2>/dev/null)
        echo $before$found
      end
    case files
      __fish_complete_path $current
    case directories
      __fish_complete_directories $current
    case 'names:*' 'words:*'
      for found in (string split , -- (string replace -r '^[^:]*:' '' -- $kind))
        echo $before$found
      end
  end
end

set -g __starling_paths ${places
    .filter(({ path }) => path !== '')
    .map(({ path }) => quoted(path))
    .join(' ')}

function __starling_commands
  switch "$argv"
${places
  .filter(({ commands }) => commands.length > 0)
  .map(({ path, commands }) => switchCase(path, commands))
  .join('\n')}
  end
end

function __starling_flags
  switch "$argv"
${places.map(({ path, flags }) => switchCase(path, flags)).join('\n')}
  end
end

function __starling_values
  switch "$argv"
${places
  .filter(({ values }) => values.length > 0)
  .map(valuesCase)
  .join('\n')}
  end
end

function __starling_flag
  switch "$argv"
${[...flags].map(([flag, values]) => `    case ${flag}\n      echo ${quoted(kindOf(values))}`).join('\n')}
  end
end
complete -c starling -f -a '(__starling_complete)'
`
}

function switchCase(path: string, described: readonly Described[]): string {
  const lines = described.map(({ word, description }) => `${quoted(word)}\\t${quoted(description)}`)
  return `    case ${quoted(path)}\n      printf '%s\\n' ${lines.join(' ')}`
}

function valuesCase({ path, values, isOpen }: Place): string {
  const kinds = values.map(kindOf).map((kind, at) => (isOpen && at === values.length - 1 ? `${kind}...` : kind))
  return `    case ${quoted(path)}\n      printf '%s\\n' ${kinds.map(quoted).join(' ')}`
}

/** In fish a quote inside quotes is escaped where it stands. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
