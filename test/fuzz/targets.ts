import type { Target } from './target.ts'
import { connections } from './targets/connections.ts'
import { contexts } from './targets/contexts.ts'
import { cursors } from './targets/cursors.ts'
import { datagrams } from './targets/datagrams.ts'
import { frames } from './targets/frames.ts'
import { gossip } from './targets/gossip.ts'
import { http } from './targets/http.ts'
import { imports } from './targets/imports.ts'
import { layouts } from './targets/layouts.ts'
import { peers } from './targets/peers.ts'
import { records } from './targets/records.ts'
import { requests } from './targets/requests.ts'
import { routes } from './targets/routes.ts'
import { sealedDatagrams } from './targets/sealed-datagrams.ts'
import { secretFiles } from './targets/secret-files.ts'
import { sessions } from './targets/sessions.ts'
import { settingsFiles } from './targets/settings-files.ts'
import { storedValues } from './targets/stored-values.ts'
import { stores } from './targets/stores.ts'
import { tokens } from './targets/tokens.ts'

/** Everything that reads bytes from outside. */
export const targets: readonly Target[] = [
  datagrams,
  sealedDatagrams,
  gossip,
  frames,
  connections,
  requests,
  peers,
  http,
  routes,
  contexts,
  sessions,
  cursors,
  records,
  storedValues,
  stores,
  layouts,
  settingsFiles,
  secretFiles,
  tokens,
  imports,
]
