import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { formatSibling, type Sibling } from '../../http-client/sibling.ts'
import { UsageError } from '../exit-code.ts'

/** A line that stands before each sibling in the editor, and must not be there when it is closed. */
const mark = '======= sibling'

/** What a command makes of the siblings failed, or made nothing. Nothing was written; exit code 1. */
class MergeFailed extends Error {
  readonly code = 'merge-failed'
  readonly hint = 'nothing was written'
}

/**
 * The standard output of `command`, run by `sh`. It finds the siblings on its standard input, as an export writes them, one
 * on each line; and the bytes of each in a file, the files being its arguments: `"$@"`.
 *
 * @throws {MergeFailed} when it exits with anything but 0
 */
export async function mergeByCommand(
  command: string,
  bucket: string,
  key: string,
  siblings: readonly Sibling[],
): Promise<Uint8Array> {
  return withDirectory(async (directory) => {
    const files = siblings.map((_, index) => join(directory, String(index + 1)))
    for (const [index, { value }] of siblings.entries()) await writeFile(files[index] as string, value)
    const lines = siblings.map((sibling) => `${JSON.stringify({ key, ...formatSibling(sibling) })}\n`).join('')
    const child = spawn('sh', ['-c', command, 'starling-merge', ...files], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, STARLING_BUCKET: bucket, STARLING_KEY: key },
    })
    // Whoever reads only the files leaves the input alone.
    child.stdin.on('error', () => {})
    child.stdin.end(lines)
    const ended = endOf(child)
    const [value] = await Promise.all([buffer(child.stdout), ended])
    return value
  })
}

/**
 * What is left in a file with all siblings when the editor is closed.
 *
 * @throws {UsageError} when a sibling is no text
 * @throws {MergeFailed} when the file was left as it was, or still shows where the siblings began
 */
export async function mergeByEditor(bucket: string, key: string, siblings: readonly Sibling[]): Promise<Uint8Array> {
  return withDirectory(async (directory) => {
    const file = join(directory, 'siblings')
    const before = siblings.map(
      (sibling, index) => `${mark} ${index + 1} ${sibling.writtenAt ?? ''}\n${textOf(sibling)}\n`,
    )
    await writeFile(file, before.join(''))
    const editor = process.env.VISUAL || process.env.EDITOR || 'vi'
    const env = { ...process.env, STARLING_BUCKET: bucket, STARLING_KEY: key }
    await endOf(spawn('sh', ['-c', `${editor} "$1"`, 'starling-edit', file], { stdio: 'inherit', env }))
    const after = await readFile(file)
    if (after.toString() === before.join('')) throw new MergeFailed('the file was left as it was')
    if (
      after
        .toString()
        .split('\n')
        .some((line) => line.startsWith(mark))
    )
      throw new MergeFailed(`the file still has lines that begin with ${JSON.stringify(mark)}`)
    return after
  })
}

function textOf({ value }: Sibling): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value)
  } catch {
    throw new UsageError('a sibling is no text, so no editor can show it', 'use --pick, --newest, --file or --with')
  }
}

async function endOf(child: ReturnType<typeof spawn>): Promise<void> {
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (...end) => resolve(end))
  })
  if (code !== 0)
    throw new MergeFailed(`the command ended ${signal === null ? `with exit code ${code}` : `by ${signal}`}`)
}

async function withDirectory<Result>(use: (directory: string) => Promise<Result>): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), 'starling-merge-'))
  try {
    return await use(directory)
  } finally {
    await rm(directory, { recursive: true })
  }
}
