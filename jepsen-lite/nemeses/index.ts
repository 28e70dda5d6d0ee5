import type { Nemesis } from '../nemesis.ts'
import { killOneForTrial } from './kill-one-for-trial.ts'

/** The columns of the matrix. */
export const nemeses: readonly Nemesis[] = [killOneForTrial]
