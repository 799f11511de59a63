/** Records one guest into a file: run as a process of its own by the replay tests. */

import { writeFileSync } from 'node:fs'
import { recorded } from '../recorded.ts'

const [, , guest, file] = process.argv
writeFileSync(file!, recorded(guest!).bytes)
