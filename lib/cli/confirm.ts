import { createInterface } from 'node:readline/promises'
import { NotConfirmed } from './exit-code.ts'

export interface ConfirmOptions {
  readonly yes?: boolean
  readonly json?: boolean
}

/**
 * Goes on only where somebody has agreed: with `--yes`, or to the question on a terminal. Programs are never asked.
 *
 * @param what the sentence that is agreed to
 * @throws {NotConfirmed}
 */
export async function confirm(what: string, options: ConfirmOptions): Promise<void> {
  if (options.yes === true) return
  const isTerminal = process.stdin.isTTY === true && process.stderr.isTTY === true
  if (!isTerminal || options.json === true) {
    throw new NotConfirmed(what, 'with --yes it is done, with --dry-run only shown')
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question(`${what}. Do it? [y/N] `)
    if (/^y(es)?$/i.test(answer.trim())) return
  } finally {
    terminal.close()
  }
  throw new NotConfirmed('nothing was done', 'answer y, or give --yes')
}
