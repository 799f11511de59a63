/** What `--print` may name: apart from what prints it, so that the options load no emulator. */

import { usageError } from './exit-codes.ts'

/** regs: registers and timer at the end. exits: every VM exit on the way. */
export const PRINTABLE = ['regs', 'exits'] as const
export type Printable = (typeof PRINTABLE)[number]

/** `--print regs,exits`. */
export function parsePrint(text: string): ReadonlySet<Printable> {
  const words = text.split(',').map(word => word.trim())
  const wrong = words.find(word => !(PRINTABLE as readonly string[]).includes(word))
  if (wrong !== undefined)
    throw usageError(`--print ${text}: nothing is called \`${wrong}\``, `write ${PRINTABLE.join(' or ')}, or both with a comma`)
  return new Set(words as Printable[])
}
