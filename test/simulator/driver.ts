import type { World } from '../../lib/simulator/world.ts'

/** Lets a world run beside promises: a test that awaits its answers need not know that time is virtual. */
export function driveInBackground(world: World): () => void {
  let isStopped = false
  function turn(): void {
    if (isStopped) return
    // Between two virtual events every promise gets its turn, as between two events of a real process.
    world.step()
    setImmediate(turn)
  }
  setImmediate(turn)
  return () => {
    isStopped = true
  }
}
