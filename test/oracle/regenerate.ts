/** `npm run oracle:nasm`: asks the NASM that is installed for the bytes of every instruction and stores them in `nasm.json`. */

import { spawnSync } from 'node:child_process'
import { hasNasm, nasm } from '../assembler/nasm.ts'
import { type Bits, instructionSamples } from './instructions.ts'
import { nasmText } from './nasm-text.ts'
import { storeVectors } from './vectors.ts'

/** NASM finds some errors only once others are gone. */
function answersOf(bits: Bits): (Uint8Array | undefined)[] {
  const lines = instructionSamples(bits).map(nasmText)
  const refused = new Set<number>()
  for (;;) {
    const result = nasm(`bits ${bits}\n${lines.map((line, index) => (refused.has(index) ? '' : line)).join('\n')}\n`)
    if (result.bytes !== undefined)
      return lines.map((_, index) => {
        const hex = refused.has(index) ? undefined : result.lines.get(index + 2)
        return hex === undefined ? undefined : Uint8Array.from(Buffer.from(hex, 'hex'))
      })
    for (const line of result.errors.keys()) refused.add(line - 2)
  }
}

if (!hasNasm) throw new Error('nasm is not installed')
const version = spawnSync('nasm', ['-v'], { encoding: 'utf8' }).stdout.trim()
storeVectors(version, { 16: answersOf(16), 32: answersOf(32), 64: answersOf(64) })
