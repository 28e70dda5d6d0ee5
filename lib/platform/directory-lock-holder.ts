import { parentPort, workerData } from 'node:worker_threads'
import { Level } from 'level'
import { answered, type LockAnswer, type LockRequest, released } from './directory-lock.ts'
import { toStorageFailure } from './level-failure.ts'

/** The thread that takes a directory's lock and holds it until it is told to let go, or the process ends. */
const { path, state, answers } = workerData as LockRequest
const level = new Level(path)

parentPort?.once('message', () => {
  level.close().finally(() => proclaim(released))
})

answers.postMessage(await lockAnswer())
proclaim(answered)

async function lockAnswer(): Promise<LockAnswer> {
  try {
    await level.open()
    return { type: 'held' }
  } catch (error) {
    const failure = toStorageFailure(error)
    return failure.kind === 'locked' ? { type: 'locked' } : { type: 'failed', message: failure.message }
  }
}

function proclaim(value: number): void {
  const cell = new Int32Array(state)
  Atomics.store(cell, 0, value)
  Atomics.notify(cell, 0)
}
