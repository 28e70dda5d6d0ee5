import { spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { directory, json, starling, started, text } from './fixtures/run-starling.ts'

/** What is typed, up to the key, and what may come next. */
const lines: readonly (readonly [typed: string, next: string])[] = [
  ['kv p', 'put'],
  ['cluster re', 'replace'],
  ['kv list --l', '--limit'],
  ['kv get --endpoint http://127.0.0.1:9 --r ', 'one quorum all'],
  ['kv put b k v --durability=', 'os disk'],
  ['start --log-level ', 'debug info warn error'],
  ['start --read-repair=', 'blocking async off'],
  ['completion ', 'bash zsh fish'],
  ['bucket set b t', 'ttlSeconds='],
  ['help k', 'kv'],
  ['cluster leave ', '127.0.0.1:7071 bob'],
  ['cluster leave bob 12', '127.0.0.1:7071'],
  ['cluster replace bob b', 'bob'],
  ['kv scan ', 'carts towns'],
  ['kv get t', 'towns'],
  ['kv get towns ', ''],
  ['no-such-command ', ''],
]

/** How a script is asked outside of a prompt: one word on each line, and a line after the words for each line typed. */
const shells: Readonly<Record<string, string>> = {
  bash: `for COMP_LINE; do
  COMP_POINT=\${#COMP_LINE} COMP_WORDBREAKS=$' \\t\\n=:'
  _starling
  # Behind a colon bash has only the rest of the word.
  prefix="\${COMP_LINE##* }"; [[ "$prefix" == *:* ]] && prefix="\${prefix%"\${prefix##*:}"}" || prefix=""
  for word in "\${COMPREPLY[@]}"; do echo "$prefix$word"; done
  echo ---
done
`,
  fish: `for line in $argv
  complete -C $line | string replace -r '\\t.*' '' | string replace -r '^--[a-z-]*=' ''
  echo ---
end
`,
  // What zsh itself brings only at a prompt, as far as the script uses it.
  zsh: `compset() { current="\${current#*=}" }
compadd() { while [[ "$1" == -* ]]; do [[ "$1" == -S ]] && shift; shift; done; show "$@" }
_describe() { show "\${(@)\${(@P)argv[-1]}%%:*}" }
show() { for word; do [[ "$word" == "$current"* ]] && print -r -- "$word"; done }
for line; do
  words=("\${(@s: :)line}"); CURRENT=$#words
  _starling
  print -r -- ---
done
`,
}

t.test(
  'each shell completes commands, flags, words, and the names of nodes and buckets',
  { timeout: 90_000 },
  async (t) => {
    const path = `${directoryWithStarling()}:${process.env.PATH}`
    for (const [shell, ask] of Object.entries(shells)) {
      await t.test(shell, async (t) => {
        if (spawnSync(shell, ['-c', 'true']).status !== 0) return void t.pass(`${shell} is not installed here`)
        const script = await starling(['completion', shell])
        t.equal(script.code, 0)
        const file = join(directory, `completion.${shell}`)
        writeFileSync(file, `${shell === 'zsh' ? 'compdef() { :; }' : ''}\n${text(script)}\n${ask}`)
        const args = { bash: '--norc', fish: '--no-config', zsh: '-f' }[shell] as string
        const typed = lines.map(([words]) => `starling ${words}`)
        const said = await saidBy(shell, [args, file, ...typed], { PATH: path })
        for (const [at, [words, next]] of lines.entries())
          t.same(said[at]?.sort(), next.split(' ').filter(Boolean).sort(), words)
      })
    }
  },
)

t.test('the names come from the node that the line names, and nothing where none answers', async (t) => {
  const node = await started(t)
  const members = ['127.0.0.1:7071', 'bob'].map((name) => ({ name }))
  node.answers.set('/v1/cluster/status', { status: 200, body: { members } })
  node.answers.set('/v1/buckets', { status: 200, body: { buckets: [{ bucket: 'towns' }, { bucket: 'two words' }] } })
  const env = { STARLING_ENDPOINT: node.url }
  const [nodes, buckets, none] = await Promise.all([
    starling(['complete', 'nodes', '--', 'cluster', 'leave', '--timeout', '60000', ''], { env }),
    starling(['complete', 'buckets', '--', 'kv', 'get', '--timeout=60000', '--endpoint', node.url, '']),
    starling(['complete', 'buckets', '--', 'kv', 'get', '--endpoint=http://127.0.0.1:9', ''], { env }),
  ])
  t.equal(text(nodes), '127.0.0.1:7071\nbob\n')
  t.equal(text(buckets), 'towns\n', 'a name that a shell would cut is left out')
  t.match(none, { code: 0, stderr: '' })
  t.equal(text(none), '')
})

t.test('a script is data, also in JSON; there is none for other shells', async (t) => {
  const [asJson, none] = await Promise.all([
    starling(['completion', 'bash', '--json']),
    starling(['completion', 'tcsh']),
  ])
  t.match(json(asJson), { kind: 'Completion', shell: 'bash', script: /complete -F _starling starling/ })
  t.match(none, { code: 2, stderr: /bash, zsh, fish/ })
})

async function saidBy(shell: string, words: readonly string[], env: Record<string, string>): Promise<string[][]> {
  const stdio = ['ignore', 'pipe', 'inherit'] as const
  const child = spawn(shell, words, { cwd: directory, env: { ...process.env, ...env }, stdio: [...stdio] })
  const parts = (await buffer(child.stdout as NodeJS.ReadableStream)).toString().split('---\n')
  return parts.slice(0, -1).map((part) => part.split('\n').filter(Boolean))
}

/** Where `starling` is a command that knows two nodes and two buckets. */
function directoryWithStarling(): string {
  const command = `#!/bin/sh
[ "$1 $3" = 'complete --' ] || exit 2
case $2 in nodes) printf '127.0.0.1:7071\\nbob\\n' ;; buckets) printf 'towns\\ncarts\\n' ;; esac
`
  writeFileSync(join(directory, 'starling'), command, { mode: 0o755 })
  return directory
}
