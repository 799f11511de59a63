/** Register names as the assembler reads them (Intel SDM, "Basic Program Execution Registers", "Instruction Format"). */

import type { Size } from '../base/u64.ts'

export interface NamedRegister {
  readonly name: string
  readonly kind: 'register' | 'segment' | 'control' | 'debug' | 'xmm' | 'ymm' | 'unsupported'
  readonly size: Size | 128 | 256 | 0
  readonly index: number
  /** AH, CH, DH, BH. */
  readonly high: boolean
}

const LEGACY = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di']
const LOW_BYTES = ['al', 'cl', 'dl', 'bl', 'spl', 'bpl', 'sil', 'dil']

function everyRegister(): NamedRegister[] {
  const all: NamedRegister[] = []
  const add = (kind: NamedRegister['kind'], size: NamedRegister['size'], names: readonly string[], high = false) => {
    for (const [index, name] of names.entries()) all.push({ name, kind, size, index, high })
  }
  const numbered = (prefix: string, count: number, suffix = '') => Array.from({ length: count }, (_, index) => `${prefix}${index}${suffix}`)
  const upper = (suffix: string) => numbered('r', 16, suffix).slice(8)
  add('register', 8, [...LOW_BYTES, ...upper('b')])
  add('register', 8, ['ah', 'ch', 'dh', 'bh'], true)
  add('register', 16, [...LEGACY, ...upper('w')])
  add('register', 32, [...LEGACY.map(name => `e${name}`), ...upper('d')])
  add('register', 64, [...LEGACY.map(name => `r${name}`), ...upper('')])
  add('segment', 16, ['es', 'cs', 'ss', 'ds', 'fs', 'gs'])
  add('control', 0, numbered('cr', 16))
  add('debug', 0, numbered('dr', 16))
  add('xmm', 128, numbered('xmm', 16))
  add('ymm', 256, numbered('ymm', 16))
  // NASM knows these; a source that names one is told so, instead of being asked what it meant.
  const others = [...numbered('st', 8), ...numbered('mm', 8), ...numbered('k', 8), ...numbered('tr', 8), ...numbered('bnd', 4)]
  const wide = [...numbered('xmm', 32).slice(16), ...numbered('ymm', 32).slice(16), ...numbered('zmm', 32), ...numbered('tmm', 8)]
  add('unsupported', 0, [...others, ...wide, 'segr6', 'segr7'])
  return all
}

/** By lower-case name. */
export const REGISTERS: ReadonlyMap<string, NamedRegister> = new Map(everyRegister().map(register => [register.name, register]))

export const registerNamed = (text: string): NamedRegister | undefined => REGISTERS.get(text) ?? REGISTERS.get(text.toLowerCase())
