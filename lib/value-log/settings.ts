export interface ValueLogSettings {
  /** Values of at least so many bytes stay in the log; at least 512. */
  readonly loggedBytesMin: number
  /** About so large is a segment. */
  readonly segmentBytesMax: number
  /** So much of the log the index may lack: what a start replays, and what memory holds. */
  readonly lagBytesMax: number
  /** So long after a write the index has it. */
  readonly lagMs: number
  /** Bytes of all segments to those of use: above it the emptiest segment is emptied when nobody writes... */
  readonly amplificationAtRest: number
  /** ... and also while somebody does. */
  readonly amplificationBusy: number
  /** ... and even where clients wait for it. */
  readonly amplificationMax: number
  /** Keys whose place is remembered. */
  readonly placesMax: number
}

const mebibyte = 1024 * 1024

export const valueLogSettingsDefault: ValueLogSettings = {
  loggedBytesMin: 4096,
  segmentBytesMax: 32 * mebibyte,
  lagBytesMax: 8 * mebibyte,
  lagMs: 2000,
  amplificationAtRest: 1.4,
  amplificationBusy: 2,
  amplificationMax: 3,
  placesMax: 65_536,
}
