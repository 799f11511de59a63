/** Assembling a guest of a test: included files are found beside it, in the project's root, and among vtick's own. */

import { type AssembleResult, assemble } from '../assembler/assemble.ts'
import type { SourceFinder } from './sources.ts'

/** `file` is the source's name as shown; `defines` are as by %define, before the first line. */
export const assembleGuest = (
  source: string,
  file: string,
  finder: SourceFinder,
  defines: Readonly<Record<string, string>> = {},
): AssembleResult =>
  assemble(source, {
    file,
    defines,
    include: (name, from) => finder.include(name, from),
    readBinary: (name, from) => finder.readBinary(name, from),
  })
