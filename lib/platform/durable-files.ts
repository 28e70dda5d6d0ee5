import { randomUUID } from 'node:crypto'
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** Replaces the file at once and durably: at any moment, and after a power cut, it is the old or the new one. */
export function replaceFile(path: string, bytes: Uint8Array): void {
  replaceBy(`${path}.next`, path, bytes)
}

/**
 * The same for a file that other processes may be replacing at this moment: nodes of one machine that share it.
 * @param mode who may read it, from the first byte on
 */
export function replaceSharedFile(path: string, bytes: Uint8Array, mode: number): void {
  replaceBy(`${path}.${randomUUID()}.next`, path, bytes, mode)
}

function replaceBy(next: string, path: string, bytes: Uint8Array, mode?: number): void {
  try {
    writeDurably(next, bytes, mode)
    renameSync(next, path)
  } catch (error) {
    rmSync(next, { force: true })
    throw error
  }
  syncDirectory(dirname(path))
}

function writeDurably(path: string, bytes: Uint8Array, mode: number | undefined): void {
  const file = openSync(path, 'w', mode)
  try {
    writeFully(file, bytes)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function writeFully(file: number, bytes: Uint8Array): void {
  let written = 0
  while (written < bytes.length) written += writeSync(file, bytes, written)
}

/** What was made, renamed or removed in the directory stays so after a power cut. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}
