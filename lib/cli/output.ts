import { once } from 'node:events'
import { type Aftermath, PlanRefused, StarlingError } from '../vocabulary/errors.ts'
import { exitCodeOf, NotConfirmed, UsageError } from './exit-code.ts'

/** Data: what a pipe wants. Waits while the reader is slower than we are. */
export async function writeData(data: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(data)) await once(process.stdout, 'drain')
}

export async function writeLine(line: string): Promise<void> {
  await writeData(`${line}\n`)
}

/** One document of the machine-readable output. `kind` says what it holds. */
export async function writeJson(kind: string, fields: object): Promise<void> {
  await writeLine(JSON.stringify({ apiVersion: 'v1', kind, ...fields }))
}

/** Everything that is not data: progress, advice, warnings. */
export function note(sentence: string): void {
  process.stderr.write(`${sentence}\n`)
}

export function reportError(error: unknown, asJson: boolean): void {
  const { message, code, aftermath, hint } = describe(error)
  const checks = error instanceof PlanRefused ? error.checks : undefined
  if (asJson) {
    const fields = { code, message, aftermath, hint, checks, exitCode: exitCodeOf(error) }
    process.stderr.write(`${JSON.stringify({ apiVersion: 'v1', kind: 'Error', ...fields })}\n`)
    return
  }
  note(`starling: ${message}`)
  for (const { ok, detail } of checks ?? []) if (!ok) note(`! ${detail}`)
  if (aftermath !== undefined) note(`  ${aftermathInWords[aftermath]} (${code})`)
  if (hint !== undefined) note(`  hint: ${hint}`)
}

const aftermathInWords: Readonly<Record<Aftermath, string>> = {
  'nothing-changed': 'nothing has changed',
  'may-have-changed': 'the data may have changed: the outcome is unknown',
}

interface Description {
  readonly message: string
  readonly code: string
  readonly aftermath?: Aftermath | undefined
  readonly hint?: string | undefined
}

function describe(error: unknown): Description {
  if (error instanceof StarlingError)
    return { message: error.message, code: error.code, aftermath: error.aftermath, hint: error.hint }
  if (error instanceof UsageError) return { message: error.message, code: 'usage', hint: error.hint }
  if (error instanceof NotConfirmed) return { message: error.message, code: 'not-confirmed', hint: error.hint }
  if (error instanceof Error) {
    const { code, hint } = error as { readonly code?: unknown; readonly hint?: unknown }
    // A system's error, or a node's reason not to start, says all; of anything else only the stack is of use.
    if (typeof code === 'string')
      return { message: `${error.message} (${code})`, code, hint: typeof hint === 'string' ? hint : undefined }
    return {
      message: error.stack ?? error.message,
      code: 'internal',
      hint: 'this is a bug of Starling, please report it',
    }
  }
  return { message: String(error), code: 'internal' }
}
