import { batchRoutes } from './batch-route.ts'
import { bucketRoutes } from './bucket-routes.ts'
import { clusterRoutes } from './cluster-routes.ts'
import { documentationRoutes } from './documentation-routes.ts'
import { explainRoutes } from './explain-route.ts'
import { healthRoutes } from './health-routes.ts'
import { keyRoutes } from './key-routes.ts'
import { layoutRoutes } from './layout-routes.ts'
import { listRoutes } from './list-route.ts'
import { metricsRoutes } from './metrics-route.ts'
import { nodeRoutes } from './node-route.ts'
import { repairRoutes } from './repair-routes.ts'
import { replicaRoutes } from './replica-route.ts'
import type { Route } from './route.ts'
import { secretRoutes } from './secret-routes.ts'
import { tokenRoutes } from './token-routes.ts'

/** Every resource of the API: one list of routes each, one fastify plugin each. */
export const resources: readonly (readonly Route[])[] = [
  keyRoutes,
  listRoutes,
  batchRoutes,
  bucketRoutes,
  replicaRoutes,
  explainRoutes,
  clusterRoutes,
  layoutRoutes,
  repairRoutes,
  tokenRoutes,
  secretRoutes,
  nodeRoutes,
  healthRoutes,
  metricsRoutes,
  documentationRoutes(() => resources.flat()),
]
