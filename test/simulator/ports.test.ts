import t, { type Test } from 'tap'
import type { DataDirectory } from '../../lib/ports/data-directory.ts'
import type { StorageOpener } from '../../lib/ports/storage.ts'
import { SimulatedDirectory } from '../../lib/simulator/simulated-directory.ts'
import { SimulatedProcess } from '../../lib/simulator/simulated-process.ts'
import { World } from '../../lib/simulator/world.ts'
import { type DirectoryWorld, dataDirectoryContract } from '../contracts/data-directory.ts'
import { type StorageWorld, type StorageWrite, storageContract } from '../contracts/storage.ts'
import { driveInBackground } from './driver.ts'
import { testHash } from './test-hash.ts'

t.test('simulated storage keeps the contract of storage', async (t) => {
  storageContract(t, async (t) => makeStorageWorld(t))
})

t.test('the simulated data directory keeps the contract of data directories', async (t) => {
  dataDirectoryContract(t, async () => makeDirectoryWorld())
})

function makeDirectoryWorld(): DirectoryWorld {
  const world = new World({ seed: 1, hash: testHash })
  const machine = world.machine('ada')
  world.portsFor('ada')
  const start = (): DataDirectory => new SimulatedDirectory(machine.process as SimulatedProcess, machine)
  return {
    start,
    startElsewhere: async () => {
      const elsewhere = new SimulatedProcess(world, machine, 99)
      new SimulatedDirectory(elsewhere, machine).open()
      return { die: async () => elsewhere.die('kill') }
    },
    dieWritingIdentities: async (identities) => {
      const directory = start()
      directory.open()
      for (const identity of identities.slice(0, 7)) directory.writeIdentity(identity)
      world.restart('ada')
    },
    occupy: async () => {
      machine.disk.isForeign = true
      return { survives: () => machine.disk.isForeign && machine.disk.identity === undefined }
    },
    forbid: async () => {
      machine.disk.fault = 'read-only'
    },
    fillDisk: async () => {
      machine.disk.fault = 'full'
    },
    freeDisk: async () => {
      machine.disk.fault = 'none'
    },
  }
}

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
