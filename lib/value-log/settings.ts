export interface ValueLogSettings {
  /** Values of at least so many bytes stay in the log; at least 512. */
  readonly loggedBytesMin: number
  /** About so large is a segment: a sixteenth of what is of use, within these. */
  readonly segmentBytesMin: number
  readonly segmentBytesMax: number
  /** So much of the log the index may lack: what a start replays, and what memory holds. */
  readonly lagBytesMax: number
  /** So long after a write the index has it. */
  readonly lagMs: number
  /** Bytes of all segments but one to those of use: above it the emptiest segment is emptied when nobody writes... */
  readonly amplificationAtRest: number
  /** ... and also while somebody does, but for two, the quicker the nearer it comes... */
  readonly amplificationBusy: number
  /** ... to this one, beyond which it is done even where clients wait for it. */
  readonly amplificationMax: number
  /** Keys whose place is remembered. */
  readonly placesMax: number
  /** Nothing stays in the log any more: all of it goes to the index, and the log with the next close in good order. */
  readonly isDraining: boolean
}

const mebibyte = 1024 * 1024

export const valueLogSettingsDefault: ValueLogSettings = {
  loggedBytesMin: 1024,
  segmentBytesMin: 4 * mebibyte,
  segmentBytesMax: 32 * mebibyte,
  lagBytesMax: 8 * mebibyte,
  lagMs: 2000,
  amplificationAtRest: 1.4,
  amplificationBusy: 1.4,
  amplificationMax: 2,
  placesMax: 65_536,
  isDraining: false,
}
