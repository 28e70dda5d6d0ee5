import type { Ports } from '../../lib/ports/ports.ts'
import type { Storage, StorageOperation } from '../../lib/ports/storage.ts'

/** The first byte of a store key says what it holds. */
export const dataPrefix = 0x64
export const metaPrefix = 0x6d
export const hintPrefix = 0x68

/** The same ports, with somebody between the node and its store. */
export function withStorage(ports: Ports, alter: (storage: Storage) => Storage): Ports {
  const { storage } = ports
  return {
    ...ports,
    storage: {
      open: (done) =>
        storage.open((failure, opened) =>
          done(failure, opened === undefined ? undefined : { ...opened, storage: alter(opened.storage) }),
        ),
    },
  }
}

export function alteredWrites(
  storage: Storage,
  write: (operations: readonly StorageOperation[], sync: boolean, done: Parameters<Storage['write']>[2]) => void,
): Storage {
  return {
    get: (key) => storage.get(key),
    write: (operations, { sync }, done) => write(operations, sync, done),
    scan: (range, done) => storage.scan(range, done),
    close: (done) => storage.close(done),
  }
}
