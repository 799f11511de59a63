/** A page about a diagnostic: what it means, a source that gets it, and what to write instead. The tests assemble both. */

export interface Page {
  readonly about: string
  /** Gets this very diagnostic. */
  readonly wrong: string
  /** Does not. */
  readonly right: string
}
