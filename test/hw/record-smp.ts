/** Records the guest of `smp.test.ts` into a file, as a process of its own. */

import { writeFileSync } from 'node:fs'
import { recorded } from '../recorded.ts'

const [, , cpus, file] = process.argv
writeFileSync(file!, recorded('test/hw/smp.asm', { bare: true, cpus: Number(cpus), defines: { CPUS: cpus! } }).bytes)
