import { relative } from 'node:path'
import type { DemoLocks } from './demo-locks.ts'

/** One node of the demo: where it listens and the command that runs it. */
export interface DemoNode {
  readonly name: string
  readonly httpPort: number
  readonly peerPort: number
  readonly data: string
  readonly log: string
  /** Words after `starling`. */
  readonly words: readonly string[]
}

const host = '127.0.0.1'
/** The next node listens this much further: 7070 and 7071, 7080 and 7081, ... */
const portStep = 10

/**
 * The nodes of a demo of `count`. They meet through the peers of all; none of them is special.
 * @param locks undefined: anybody on this machine may come in
 */
export function planDemo(count: number, firstPort: number, directory: string, locks?: DemoLocks): readonly DemoNode[] {
  const peers = Array.from({ length: count }, (_, index) => `${host}:${firstPort + index * portStep + 1}`)
  return peers.map((peer, index) => {
    const name = `n${index + 1}`
    const httpPort = firstPort + index * portStep
    const data = `${directory}/${name}`
    const others = peers.filter((other) => other !== peer)
    const words = ['start', '--name', name, '--http', `${host}:${httpPort}`, '--peer', peer, '--data', data]
    if (others.length > 0) words.push('--join', others.join(','), '--expect', String(count))
    if (locks !== undefined) words.push('--secret-file', locks.secretFile, '--token-file', locks.tokenFile)
    return { name, httpPort, peerPort: httpPort + 1, data, log: `${directory}/${name}.log`, words }
  })
}

export function endpointOf(node: DemoNode): string {
  return `http://${host}:${node.httpPort}`
}

/** How this program is called again from the same directory. */
export function programWords(): readonly string[] {
  const script = process.argv[1] ?? 'starling'
  const shorter = relative(process.cwd(), script)
  return ['node', shorter.startsWith('..') ? script : shorter]
}

/** A command line that a shell reads back as these words. */
export function shellLine(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ')
}
