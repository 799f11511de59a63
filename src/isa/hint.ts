/**
 * Cache control, fences and hints (Intel SDM, "PREFETCHh", "CLFLUSH", "MFENCE", "ENDBR64"; "Opcode Map" for the reserved NOPs):
 * without a visible effect, since the emulated memory has no caches and executes in order.
 */

import type { CpuidFeatureName } from '../spec/cpuid.ts'
import { type Instruction, type InstructionRow, instruction } from './instruction.ts'
import type { MemoryOperand } from './operands.ts'
import type { Ops } from './ops.ts'

const hex = (byte: number): string => byte.toString(16).toUpperCase()

const nothing = (): void => {}

const hint = (mnemonic: string, opcode: string, operands: string): InstructionRow =>
  instruction(mnemonic, { forms: [[opcode, operands]], execute: nothing })

/** ModRM.rm is ignored. */
const fence = (mnemonic: string, modrm: number): InstructionRow =>
  instruction(mnemonic, {
    forms: Array.from({ length: 8 }, (_, rm): [string, string, string] => [`NP 0F AE ${hex(modrm + rm)}`, '', rm === 0 ? '' : 'decode']),
    execute: nothing,
  })

/** The opcode extensions that the manual leaves free do what a named one does. */
const prefetch = (mnemonic: string, digit: number, others: readonly number[]): InstructionRow =>
  instruction(mnemonic, {
    forms: [[`0F 0D /${digit}`, 'mem'], ...others.map((other): [string, string, string] => [`0F 0D /${other}`, 'mem', 'decode'])],
    execute: nothing,
  })

/** A byte of the line is read for its faults. */
const touchLine = <V>(o: Ops<V>, { dst }: Instruction): void => void o.load(8, (dst as MemoryOperand).segment, o.address(dst))

const cacheLine = (mnemonic: string, opcode: string, feature: CpuidFeatureName): InstructionRow =>
  instruction(mnemonic, { feature, forms: [[opcode, 'mem']], execute: touchLine })

/** Taken by PREFETCH0..T2 (0F 18 /0../3) and NOP (0F 1F /0). */
const TAKEN: ReadonlySet<number> = new Set([0, 1, 2, 3, 56])

/** What is left of 0F 18 .. 0F 1F does nothing, for instructions to come: NASM numbers the forms. */
const reserved = Array.from({ length: 64 }, (_, index) => index)
  .filter(index => !TAKEN.has(index))
  .map(index => hint(`HINT_NOP${index}`, `0F ${hex(0x18 + (index >> 3))} /${index & 7}`, 'r/m'))

export const HINTS: readonly InstructionRow[] = [
  hint('PREFETCHNTA', '0F 18 /0', 'm8'),
  hint('PREFETCHT0', '0F 18 /1', 'm8'),
  hint('PREFETCHT1', '0F 18 /2', 'm8'),
  hint('PREFETCHT2', '0F 18 /3', 'm8'),
  prefetch('PREFETCH', 0, [4, 5, 6, 7]),
  prefetch('PREFETCHW', 1, [3]),
  hint('PREFETCHWT1', '0F 0D /2', 'm8'),
  hint('ENDBR32', 'F3 0F 1E FB', ''),
  hint('ENDBR64', 'F3 0F 1E FA', ''),
  // The reserved NOP that decodes these bytes does the same, which is nothing.
  instruction('CLDEMOTE', { forms: [['NP 0F 1C /0', 'mem', 'encode']], execute: nothing }),
  cacheLine('CLFLUSH', 'NP 0F AE /7', 'clflush'),
  cacheLine('CLFLUSHOPT', '66 0F AE /7', 'clflushopt'),
  cacheLine('CLWB', '66 0F AE /6', 'clwb'),
  // The fences came with SSE and SSE2; every processor that has 64-bit mode has them, whatever else of SSE a model reports.
  fence('LFENCE', 0xe8),
  fence('MFENCE', 0xf0),
  fence('SFENCE', 0xf8),
  ...reserved,
]
