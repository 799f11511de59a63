/** The address that the memory view shows: a number, a label, a register, or one of these and an offset; or a line of the source. */

import { addressOfLine } from '../session/source-lines.ts'
import { GPR_NAMES } from '../spec/registers.ts'
import type { Model } from './model.ts'

const FORM = /^\s*([\w.@$]+)\s*(?:([+-])\s*([\w]+)\s*)?$/

function termOf({ trace, place, vcpu }: Pick<Model, 'trace' | 'place' | 'vcpu'>, text: string): bigint | undefined {
  if (/^(0x[0-9a-f]+|\d+)$/i.test(text)) return BigInt(text)
  const { registers } = trace.moment(place, vcpu)
  if (text.toLowerCase() === 'rip') return registers.rip
  const register = GPR_NAMES[64].indexOf(text.toLowerCase() as (typeof GPR_NAMES)[64][number])
  if (register >= 0) return registers.gpr[register]
  return trace.image.symbols.find(({ name }) => name === text)?.value
}

/** Undefined: it means nothing here. */
export function addressOf(model: Pick<Model, 'trace' | 'place' | 'vcpu'>, text: string): bigint | undefined {
  const line = /^\s*(\S*\.\w+):(\d+)\s*$/.exec(text)
  if (line !== null) {
    const address = addressOfLine(model.trace.image, line[1]!, Number(line[2]))
    return typeof address === 'number' ? BigInt(address) : undefined
  }
  const parts = FORM.exec(text)
  if (parts === null) return undefined
  const base = termOf(model, parts[1]!)
  const offset = parts[3] === undefined ? 0n : termOf(model, parts[3])
  if (base === undefined || offset === undefined) return undefined
  return BigInt.asUintN(64, parts[2] === '-' ? base - offset : base + offset)
}

/** Eight bytes to a row, so the address is rounded down. */
export const memoryAddress = (model: Pick<Model, 'trace' | 'place' | 'vcpu' | 'memory'>): bigint =>
  (addressOf(model, model.memory === '' ? 'rsp' : model.memory) ?? 0n) & ~7n
