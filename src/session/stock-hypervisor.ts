/** The stock guest hypervisor, assembled from the package's own sources when a run wants it. */

import { readFileSync } from 'node:fs'
import { assemble } from '../assembler/assemble.ts'
import type { Image } from '../assembler/image.ts'
import { assert } from '../base/assert.ts'
import type { CostTable } from '../hw/time/costs.ts'

const ASM = new URL('../../asm/', import.meta.url)
const FILE = 'l1-hypervisor.asm'

let assembled: Image | undefined

export function stockHypervisor(): Image {
  assembled ??= assembleHypervisor({})
  return assembled
}

/** The same with the timing of Linux and its KVM: what KVM spends at L0, from the same rows, it spends in instructions of its own. */
export const linuxHypervisor = (costs: CostTable): Image => assembleHypervisor({ LINUX: '1', ...costDefines(costs) })

/** `kvmExit` is KVM_EXIT to an assembly source. */
const costDefines = (costs: CostTable): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(costs).map(([name, ticks]) => [name.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase(), String(ticks)]),
  )

function assembleHypervisor(defines: Readonly<Record<string, string>>): Image {
  const include = (name: string) => ({ file: name, text: readFileSync(new URL(`include/${name}`, ASM), 'utf8') })
  const { image } = assemble(readFileSync(new URL(FILE, ASM), 'utf8'), { file: FILE, include, defines })
  assert(image !== undefined, 'the stock guest hypervisor assembles')
  return image
}
