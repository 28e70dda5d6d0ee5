import { type AcceptorOwner, FrameAcceptor } from '../../../lib/links/frame-acceptor.ts'
import { FrameReader } from '../../../lib/wire/frame-reader.ts'
import type { Refusal } from '../../../lib/wire/messages.ts'
import { at, hello, newWorld, welcome } from '../../links/parties.ts'
import { hash } from '../../wire/fixtures/hash.ts'
import { must, type Target, type Trial } from '../target.ts'
import { piecesOf, streamOf, withFraming } from './frame-bytes.ts'
import { frames } from './frames.ts'

/** Far more than the simulated network needs for a few pieces. */
const goesWithinMs = 60
const refused: Refusal = {
  type: 'refused',
  code: 'busy',
  message: 'not now',
  aftermath: 'nothing-changed',
  hint: '',
}

/** The side that accepts connections, in virtual time. An odd first byte: a good hello comes first. */
export const connections: Target = {
  name: 'connections',
  summary:
    'what a stranger says to the peer port, before and after hello: each request answered once, or the end of the connection',
  seeds: () => frames.seeds().flatMap((bytes) => [Uint8Array.of(0, ...bytes), Uint8Array.of(1, ...bytes)]),
  repair: (input) => Uint8Array.of(input[0] ?? 0, ...withFraming(input.subarray(1))),
  bytesMax: 8192,
  stepsMax: { base: 20_000, each: 1_000 },
  isOfNodes: true,
  inputsInTests: 20_000,
  open,
}

function open(): Trial {
  const world = newWorld()
  let asked = 0
  const owner: AcceptorOwner = {
    greet: () => ({ ...welcome, wireVersion: 3 }),
    serve(_message, _caller, respond) {
      asked += 1
      respond(refused)
      respond(refused)
    },
    digest: () => ({ number: 1, documentHash: 1 }),
    onDigest: () => {},
    onMalformed: () => {},
  }
  const bob = new FrameAcceptor(world.portsFor('bob'), owner)
  bob.listen(at('bob'), (failure) => must(failure === undefined, 'the address is free'))
  const ada = world.portsFor('ada')
  world.run(1)
  return {
    run(input) {
      const reader = new FrameReader(hash)
      let malformed: string | undefined
      let answers = 0
      let isClosed = false
      asked = 0
      const handlers = {
        onBytes: (bytes: Uint8Array) => {
          malformed = reader.read(bytes, ({ kind }) => {
            if (kind === 'response') answers += 1
          })
        },
        onClosed: () => {
          isClosed = true
        },
      }
      ada.streams.connect(at('bob'), handlers, (_failure, stream) => {
        must(stream !== undefined, 'whoever comes is let in')
        if ((input[0] ?? 0) % 2 === 1) {
          stream.write([streamOf([{ kind: 'hello', message: hello({ wireVersion: 3 }) }])])
        }
        for (const piece of piecesOf(input.subarray(1))) stream.write([piece])
        // The answers first: whoever ends takes nothing more.
        world.after(goesWithinMs / 2, () => stream.end())
      })
      world.run(goesWithinMs)
      must(malformed === undefined, 'whatever is answered are frames')
      must(isClosed && bob.connections === 0, 'nothing is left of a connection that has ended')
      must(answers <= asked, 'nothing is answered twice')
    },
  }
}
