import { type Stats, unwatchFile, watchFile } from 'node:fs'

/**
 * Calls back some two seconds after the file became another one: written, replaced, mounted anew, removed. By looking,
 * since notices of the system miss what comes through links and mounts, which is how secrets come to containers.
 * @returns ends it
 */
export function watchFileChange(path: string, onChanged: () => void): () => void {
  const listener = (now: Stats, before: Stats): void => {
    if (now.mtimeMs !== before.mtimeMs || now.ino !== before.ino || now.size !== before.size) onChanged()
  }
  watchFile(path, { persistent: false, interval: everyMs }, listener)
  return () => unwatchFile(path, listener)
}

const everyMs = 2_000
