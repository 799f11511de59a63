/**
 * Buffers of machines that are done with. An allocation of tens of megabytes makes V8 look for garbage in the whole heap, which takes
 * longer than most guests run; so the next machine of the same size gets the buffer of one before.
 */

/** Who runs a guest and replays it has one machine at a time. */
const KEPT = 2

const kept: ArrayBuffer[] = []

/** A buffer of zeros. */
export function takeBuffer(bytes: number): ArrayBuffer {
  const found = kept.findIndex(({ byteLength }) => byteLength === bytes)
  return found < 0 ? new ArrayBuffer(bytes) : kept.splice(found, 1)[0]!
}

/** Takes a buffer that holds zeros again. */
export function keepBuffer(buffer: ArrayBuffer): void {
  kept.push(buffer)
  if (kept.length > KEPT) kept.shift()
}
