import type { Edge } from './edge.ts'
import { keyRoutes } from './key-routes.ts'
import type { Route } from './route.ts'

/** Every resource of the API: one list of routes each. */
export function resources(_edge: Edge): readonly (readonly Route[])[] {
  return [keyRoutes]
}
