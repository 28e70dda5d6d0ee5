/** Bytes from outside (a disk, a socket, a client) that are not what they should be. Never a bug of ours by itself. */
export abstract class UnreadableBytes extends Error {
  /** For logs: what was wrong first. */
  readonly reason: string

  constructor(reason: string) {
    super(reason)
    this.name = new.target.name
    this.reason = reason
  }
}

/** The bytes do not have the form they must have. */
export class MalformedBytes extends UnreadableBytes {}

/** A version, or a part, that this code does not know: perhaps a newer Starling wrote it. */
export class UnknownFormat extends UnreadableBytes {}

/** The checksum does not match: these are not the bytes that were written. */
export class DamagedBytes extends UnreadableBytes {}

/** The frame would be larger than a frame may be; nothing of it was made. */
export class FrameTooLarge extends Error {
  readonly frameBytes: number

  constructor(frameBytes: number) {
    super(`the frame would have ${frameBytes} bytes`)
    this.name = 'FrameTooLarge'
    this.frameBytes = frameBytes
  }
}
