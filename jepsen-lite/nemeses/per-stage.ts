import type { Stage } from '../nemesis.ts'

/** What a nemesis keeps for one run: made when it is first asked for, forgotten with the run. */
export function perStage<State>(make: (stage: Stage) => State): (stage: Stage) => State {
  const states = new WeakMap<Stage, State>()
  return (stage) => {
    const known = states.get(stage)
    if (known !== undefined) return known
    const state = make(stage)
    states.set(stage, state)
    return state
  }
}
