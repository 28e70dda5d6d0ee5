import { isDeepStrictEqual } from 'node:util'
import { FrameReader } from '../../../lib/wire/frame-reader.ts'
import type { Frame } from '../../../lib/wire/messages.ts'
import { frame } from '../../wire/fixtures/frame-arbitraries.ts'
import { goldenFrames } from '../../wire/fixtures/golden-frames.ts'
import { hash } from '../../wire/fixtures/hash.ts'
import { must, type Target } from '../target.ts'
import { piecesOf, streamOf, withFraming } from './frame-bytes.ts'
import { samplesOf } from './samples.ts'

/** The bytes of a connection between nodes, or of an embedded client. */
export const frames: Target = {
  name: 'frames',
  summary:
    'streams of frames: the same ones however they are cut, each written again as it was, or the end of the stream',
  seeds: () => [
    ...goldenFrames.map(({ frame }) => streamOf([frame])),
    ...samplesOf(frame, 150).map((one) => streamOf([one])),
    streamOf(samplesOf(frame, 4)),
  ],
  repair: withFraming,
  bytesMax: 8192,
  stepsMax: { base: 5_000, each: 1_000 },
  inputsInTests: 100_000,
  open: () => ({ run: read }),
}

function read(input: Uint8Array): void {
  const whole = framesOf([Uint8Array.from(input)])
  const cut = framesOf(piecesOf(input))
  must(cut.malformed === whole.malformed, 'a stream ends for the same reason however it is cut')
  must(cut.frames.length === whole.frames.length, 'there are as many frames however the stream is cut')
  must(isDeepStrictEqual(cut.frames, whole.frames), 'the frames are the same however the stream is cut')
  if (whole.frames.length === 0) return
  const again = framesOf([streamOf(whole.frames)])
  must(isDeepStrictEqual(again.frames, whole.frames), 'frames come back as they were')
}

function framesOf(pieces: readonly Uint8Array[]): { readonly frames: readonly Frame[]; readonly malformed?: string } {
  const reader = new FrameReader(hash)
  const frames: Frame[] = []
  let malformed: string | undefined
  for (const piece of pieces) malformed = reader.read(piece, (frame) => frames.push(frame))
  return malformed === undefined ? { frames } : { frames, malformed }
}
