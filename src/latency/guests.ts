/** The guests that measure latency, with the definitions that they take. */

import { readFileSync } from 'node:fs'
import { assemble } from '../assembler/assemble.ts'
import type { Image } from '../assembler/image.ts'
import { assert } from '../base/assert.ts'

const ASM = new URL('../../asm/', import.meta.url)

/** Samples of each kind that a guest keeps, a power of two: more than any measurement takes. */
export const RING = 2 ** 16

export type LatencyGuest = 'timer-latency' | 'cyclictest'

export function latencyGuest(name: LatencyGuest, defines: Readonly<Record<string, string>>): Image {
  const include = (file: string) => ({ file, text: readFileSync(new URL(`include/${file}`, ASM), 'utf8') })
  const { image } = assemble(readFileSync(new URL(`${name}.asm`, ASM), 'utf8'), {
    file: `${name}.asm`,
    include,
    defines: { ...defines, RING: String(RING) },
  })
  assert(image !== undefined, `${name}.asm assembles`)
  return image
}
