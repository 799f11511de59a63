/** A program that cannot be booted as it is: the user's trouble, with what to do about it. */

export class LoadError extends Error {
  override name = 'LoadError'
  readonly next: string

  constructor(what: string, next: string) {
    super(what)
    this.next = next
  }
}

/** Refuses a program; `next` is what its user can do. */
export function requireOf(condition: boolean, what: string, next: string): asserts condition {
  if (!condition) throw new LoadError(what, next)
}
