/** Records the guest of `smp.test.ts` into a file, as a process of its own. */

import { writeFileSync } from 'node:fs'
import { recorded } from '../recorded.ts'

const [, , cpus, host, file] = process.argv
writeFileSync(file!, recorded('test/hw/smp.asm', { bare: host === 'bare', cpus: Number(cpus), defines: { CPUS: cpus! } }).bytes)
