/** The stock guest hypervisor, assembled from the package's own sources when a run wants it. */

import { readFileSync } from 'node:fs'
import { assemble } from '../assembler/assemble.ts'
import type { Image } from '../assembler/image.ts'
import { assert } from '../base/assert.ts'

const ASM = new URL('../../asm/', import.meta.url)
const FILE = 'l1-hypervisor.asm'

let assembled: Image | undefined

export function stockHypervisor(): Image {
  assembled ??= assembleHypervisor()
  return assembled
}

function assembleHypervisor(): Image {
  const include = (name: string) => ({ file: name, text: readFileSync(new URL(`include/${name}`, ASM), 'utf8') })
  const { image } = assemble(readFileSync(new URL(FILE, ASM), 'utf8'), { file: FILE, include })
  assert(image !== undefined, 'the stock guest hypervisor assembles')
  return image
}
