import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const name = 'libfaketimeMT.so.1'

/** Where Debian, Fedora, Alpine and a `make install` put it. */
const folders = ['/usr/lib', '/usr/lib64', '/usr/local/lib']

/** The library that lies about the time to the process it is loaded into. Undefined: not installed. */
export function faketimeLibrary(): string | undefined {
  return folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => [folder, ...readdirSync(folder).map((below) => join(folder, below))])
    .map((folder) => join(folder, 'faketime', name))
    .find((path) => existsSync(path))
}
