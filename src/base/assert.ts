/** Trouble of our own making: checks that stay on in every build, and the end of an exhaustive switch. */

/** Thrown when vtick itself is wrong; never because of a guest, a source text or a caller's input. */
export class AssertionError extends Error {
  override name = 'AssertionError'
}

export function assert(condition: boolean, whatMustHold: string): asserts condition {
  if (!condition) throw new AssertionError(`broken invariant: ${whatMustHold}`)
}

export function unreachable(value: never): never {
  throw new AssertionError(`broken invariant: a case is missing for ${JSON.stringify(value)}`)
}
