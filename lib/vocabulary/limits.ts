/** Every bound that clients can meet, with its unit in its name (contract.md 3). */
export const bucketBytesMax = 255
export const keyBytesMax = 1024
export const valueBytesMax = 8 * 1024 * 1024
export const recordBytesMax = 16 * 1024 * 1024
export const metadataBytesMax = 8 * 1024
export const contentTypeBytesMax = 255
export const siblingsWarn = 25
export const siblingsMax = 100
export const timeoutMsMin = 1
export const timeoutMsMax = 60_000
export const timeoutMsDefault = 3_000
export const idempotencyKeyBytesMax = 64
/** Half of the room that HTTP leaves for all headers; about 1,600 actors. */
export const contextCharsMax = 32 * 1024
/** Of If-Match or If-None-Match where it is no header. */
export const conditionCharsMax = 32 * 1024
/** A quarter of the room that HTTP leaves for all headers. */
export const sessionCharsMax = 16 * 1024
/** A hundred years: beyond it, nothing expires. */
export const ttlSecondsMax = 3_155_760_000
export const listLimitMax = 10_000
export const listLimitDefault = 1_000
/** In one list of buckets. */
export const bucketsListedMax = 10_000
export const batchOperationsMax = 1_000
export const batchBytesMax = 16 * 1024 * 1024
/** Of the values that one batch reads; the first of them is answered whatever its size. Fits into a frame. */
export const batchAnswerBytesMax = 32 * 1024 * 1024
export const unknownDotsInTokenMax = 8
/**
 * A frame carries at most one record of this size, its header and its framing. More than a client may make of one record:
 * what several owners took at the same time, each within the limit, still has to reach the others when it is merged.
 */
export const frameBytesMax = 4 * recordBytesMax + 64 * 1024
export const datagramBytesMax = 1400
/** A context or clock further ahead of our wall clock than this is refused (rules.md K2). */
export const clockAheadMsMax = 3_600_000
export const clockAheadMsWarn = 500
/** A node further than this from the median of the members does not coordinate (rules.md K3). */
export const clockSkewMsMax = 10_000
