import t, { type Test } from 'tap'
import type { StorageOpener } from '../../lib/ports/storage.ts'
import { World } from '../../lib/simulator/world.ts'
import { type StorageWorld, type StorageWrite, storageContract } from '../contracts/storage.ts'
import { driveInBackground } from './driver.ts'
import { testHash } from './test-hash.ts'

t.test('simulated storage keeps the contract of storage', async (t) => {
  storageContract(t, async (t) => makeStorageWorld(t))
})

function makeStorageWorld(t: Test): StorageWorld {
  const world = new World({ seed: 1, hash: testHash })
  t.teardown(driveInBackground(world))
  const machine = world.machine('ada')
  let ports = world.portsFor('ada')
  const opener: StorageOpener = { open: (done) => ports.storage.open(done) }

  function dieWriting(kind: 'kill' | 'power') {
    return (writes: readonly StorageWrite[], acknowledgedMin: number): Promise<number> =>
      new Promise((resolve, reject) => {
        world.crash('ada', 'kill')
        ports = world.portsFor('ada')
        ports.storage.open((failure, opened) => {
          if (opened === undefined) return reject(new Error(failure?.message))
          let acknowledged = 0
          for (const { operations, sync } of writes) {
            opened.storage.write(operations, { sync }, (failure) => {
              if (failure !== undefined) return reject(new Error(failure.message))
              acknowledged += 1
              if (acknowledged < acknowledgedMin) return
              world.crash('ada', kind)
              ports = world.portsFor('ada')
              resolve(acknowledged)
            })
          }
        })
      })
  }

  return {
    opener,
    dieWriting: dieWriting('kill'),
    losePowerWriting: dieWriting('power'),
    flipByte: async () => {
      if (!machine.disk.damageLog()) throw new Error('there is no log to damage')
    },
    fillDisk: async () => {
      machine.disk.fault = 'full'
    },
    freeDisk: async () => {
      machine.disk.fault = 'none'
    },
    occupy: async () => {
      machine.disk.isForeign = true
      return { survives: () => machine.disk.isForeign }
    },
  }
}
