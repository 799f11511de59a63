/** Something that takes long, done in slices. */
export interface Work {
  /** Goes on for about so many milliseconds; true when it is done. */
  advance(milliseconds: number): boolean
}
