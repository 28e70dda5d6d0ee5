import type { Workload } from '../workload.ts'
import { siblingSet } from './sibling-set.ts'

/** The rows of the matrix. */
export const workloads: readonly Workload[] = [siblingSet]
