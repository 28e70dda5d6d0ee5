import { type Stats, stat, statSync } from 'node:fs'

/**
 * Calls back some two seconds after the file became another one than it is now: written, replaced, mounted anew, removed. By
 * looking, since notices of the system miss what comes through links and mounts, which is how secrets come to containers.
 * @returns ends it
 */
export function watchFileChange(path: string, onChanged: () => void): () => void {
  // Not left to `watchFile`, which begins to look some time after it is called: what happens until then it never tells.
  let before = looksOf(statSync(path, { throwIfNoEntry: false }))
  let isEnded = false
  const timer = setInterval(() => {
    stat(path, (_error, stats?: Stats) => {
      const now = looksOf(stats)
      if (isEnded || now === before) return
      before = now
      onChanged()
    })
  }, everyMs)
  timer.unref()
  return () => {
    isEnded = true
    clearInterval(timer)
  }
}

const everyMs = 2_000

/** Two files that look the same are the same; undefined: there is none. */
function looksOf(stats: Stats | undefined): string | undefined {
  return stats === undefined ? undefined : `${stats.ino} ${stats.size} ${stats.mtimeMs}`
}
