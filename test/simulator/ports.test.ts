import t, { type Test } from 'tap'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { createHash } from '../../lib/platform/xxhash.ts'
import type { DataDirectory } from '../../lib/ports/data-directory.ts'
import type { StorageOpener } from '../../lib/ports/storage.ts'
import { Keyring, toSecretKey } from '../../lib/security/keyring.ts'
import { SealedDatagrams } from '../../lib/security/sealed-datagrams.ts'
import { SimulatedDirectory } from '../../lib/simulator/simulated-directory.ts'
import type { SimulatedDisk } from '../../lib/simulator/simulated-disk.ts'
import { SimulatedMetrics } from '../../lib/simulator/simulated-metrics.ts'
import { SimulatedProcess } from '../../lib/simulator/simulated-process.ts'
import { World } from '../../lib/simulator/world.ts'
import type { ValueLogSettings } from '../../lib/value-log/settings.ts'
import { toEndpoint } from '../../lib/vocabulary/ids.ts'
import { type DirectoryWorld, dataDirectoryContract } from '../contracts/data-directory.ts'
import { metricsContract } from '../contracts/metrics.ts'
import { datagramsContract, type NetworkWorld, streamsContract } from '../contracts/network.ts'
import { type StorageWorld, type StorageWrite, storageContract } from '../contracts/storage.ts'
import { type TimeWorld, timeContract } from '../contracts/time.ts'
import { driveInBackground } from './driver.ts'
import { testHash } from './test-hash.ts'

const realHash = await createHash()

t.test('simulated storage keeps the contract of storage', async (t) => {
  storageContract(t, async (t) => makeStorageWorld(t))
})

t.test('a value log over simulated storage keeps it as well', async (t) => {
  // Half of the contract's values are too small for the log: that is part of it.
  storageContract(t, async (t) => makeStorageWorld(t, { loggedBytesMin: 512, segmentBytesMax: 64 * 1024 }))
})

t.test('the simulated data directory keeps the contract of data directories', async (t) => {
  dataDirectoryContract(t, async () => makeDirectoryWorld())
})

t.test('simulated datagrams keep the contract of datagrams', async (t) => {
  datagramsContract(t, async () => makeNetworkWorld())
})

t.test('those that are sealed with a secret keep it as well', async (t) => {
  datagramsContract(t, async () => {
    const world = makeNetworkWorld()
    const cryptography = createCryptography()
    const keyring = new Keyring([toSecretKey(new Uint8Array(32).fill(1), cryptography)])
    const sealing = { keyring, cluster: 'main', cryptography, nowMs: () => 0, onDropped: () => {} }
    return { ...world, datagrams: new SealedDatagrams(world.datagrams, sealing) }
  })
})

t.test('simulated streams keep the contract of streams', async (t) => {
  streamsContract(t, async () => makeNetworkWorld())
})

t.test('simulated time keeps the contract of time', async (t) => {
  timeContract(t, async () => makeTimeWorld())
})

t.test('simulated metrics keep the contract of metrics', async (t) => {
  metricsContract(t, () => new SimulatedMetrics())
})

async function until(world: World, holds: () => boolean): Promise<void> {
  if (!world.runUntil(holds, 60_000)) throw new Error('it never came about')
}

function makeTimeWorld(): TimeWorld {
  const world = new World({ seed: 1, hash: testHash, createCryptography })
  const { time } = world.portsFor('ada')
  return {
    time,
    until: async (holds) => {
      while (!holds()) world.run(1)
    },
    hold: (ms) => {
      world.pause('ada')
      world.run(ms)
      world.resume('ada')
    },
  }
}

function makeNetworkWorld(): NetworkWorld {
  const world = new World({ seed: 1, hash: testHash, createCryptography })
  const { datagrams, streams } = world.portsFor('ada')
  return {
    host: 'ada',
    datagrams,
    streams,
    until: (holds) => until(world, holds),
    settle: async () => world.run(10_000),
    startEcho: async () => {
      const echo = world.portsFor('bob')
      const endpoint = toEndpoint('bob:7101')
      let isListening = false
      echo.streams.listen(
        endpoint,
        (stream) => ({ onBytes: (bytes) => stream.write([bytes]), onClosed: () => {} }),
        () => {
          isListening = true
        },
      )
      await until(world, () => isListening)
      return { endpoint, die: async () => world.crash('bob', 'kill') }
    },
  }
}

function makeDirectoryWorld(): DirectoryWorld {
  const world = new World({ seed: 1, hash: testHash, createCryptography })
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

function makeStorageWorld(t: Test, valueLog?: Partial<ValueLogSettings>): StorageWorld {
  const world = new World({ seed: 1, hash: realHash, createCryptography, valueLog })
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
      if (valueLog !== undefined) return flipInNewestSegment(machine.disk)
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

function flipInNewestSegment({ segments }: SimulatedDisk): void {
  const { number, bytes } = segments.list().at(-1) ?? { number: 0, bytes: 0 }
  segments.flipBit(number, bytes >> 1, (bytes >> 1) + 1)
}
