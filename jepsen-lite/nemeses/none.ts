import type { Nemesis } from '../nemesis.ts'

/** What a cluster does when nothing happens to it; it has nothing to prove. */
export const none: Nemesis = {
  name: 'none',
  summary: 'nothing',
  needs: [],
  strike: async () => ({ what: 'nothing', nodes: [], undo: async () => undefined }),
  bites: async () => [],
}
