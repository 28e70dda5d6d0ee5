import type { Workload } from '../workload.ts'
import { plain } from './plain.ts'

/** The rows of the matrix. */
export const workloads: readonly Workload[] = [plain]
