/**
 * A sum of registers, a number and perhaps an address to base, index, scale and displacement, with NASM's choices: which
 * register becomes the base, `[rax*2]` as `[rax+rax]`, `[rax*3]` as `[rax+rax*2]`, and RSP never an index.
 */

import type { BaseHint } from './evaluate.ts'
import type { NamedRegister } from './registers.ts'
import type { Value } from './value.ts'

export interface AddressParts {
  readonly kind: 'parts'
  readonly base: NamedRegister | null
  readonly index: NamedRegister | null
  readonly scale: 1 | 2 | 4 | 8
  /** Of the registers; 0 where there are none. */
  readonly size: 0 | 16 | 32 | 64
}

export interface AddressProblem {
  readonly kind: 'problem'
  readonly text: string
  readonly help: string
}

const problem = (text: string, help = ''): AddressProblem => ({ kind: 'problem', text, help })

const STACK_POINTER = 4

export function addressParts(value: Value, hint: BaseHint, nosplit: boolean): AddressParts | AddressProblem {
  const parts: Part[] = []
  let labels = 0
  for (const { register, factor } of value.terms) {
    if (register !== null) parts.push({ register, factor: Number(factor) })
    else labels += factor === 1n ? 1 : 2
  }
  if (labels > 1) return problem('an address must be one label plus a number', 'two labels can be subtracted, not added')
  if (parts.length > 2) return problem('an address has at most two registers', 'compute a part of it with `lea` first')
  const odd = parts.find(({ register }) => register.kind !== 'register' || register.size === 8)
  if (odd)
    return problem(`\`${odd.register.name}\` cannot be part of an address`, 'a base or an index is a 16-, 32- or 64-bit general register')
  const [first, second] = parts
  if (first === undefined) return { kind: 'parts', base: null, index: null, scale: 1, size: 0 }
  if (second !== undefined && first.register.size !== second.register.size)
    return problem('the registers of an address must be of one size', `\`${first.register.name}\` and \`${second.register.name}\` are not`)
  return arrange(parts, hint, nosplit, first.register.size as AddressParts['size'])
}

interface Part {
  readonly register: NamedRegister
  readonly factor: number
}

/** In NASM's order of steps; the first register of two in the order of their names is its first guess at a base. */
function arrange(parts: readonly Part[], hint: BaseHint, nosplit: boolean, size: AddressParts['size']): AddressParts | AddressProblem {
  const [first, second] = parts
  let base: NamedRegister | null = null
  let index: NamedRegister | null = null
  let scale = 1
  if (first!.factor === 1) base = first!.register
  else [index, scale] = [first!.register, first!.factor]
  if (second !== undefined) {
    if (base !== null) [index, scale] = [second.register, second.factor]
    else if (second.factor === 1) base = second.register
    else return problem('two registers of an address are multiplied', 'only the index can be, by 2, 4 or 8')
  }
  const wasNotBase = (register: NamedRegister | null) => hint.kind === 'not-base' && hint.register === register?.name
  if (scale === 1 && base !== null && index !== null && (wasNotBase(base) || (hint.kind === 'base' && hint.register === index.name)))
    [base, index] = [index, base]
  if (size === 16)
    return scale === 1
      ? { kind: 'parts', base, index, scale: 1, size }
      : problem('a 16-bit address cannot be scaled', '16-bit addresses are BX or BP plus SI or DI')
  if (base === null && scale === 1 && !wasNotBase(index)) [base, index] = [index, null]
  const stays = nosplit && !(hint.kind === 'summed' && base === null)
  if (
    base === null &&
    index !== null &&
    ((scale === 2 && index.index !== STACK_POINTER && !stays) || scale === 3 || scale === 5 || scale === 9)
  ) {
    base = index
    scale--
  }
  if (index === null && base !== null && base.index % 8 !== STACK_POINTER && nosplit && wasNotBase(base))
    [index, base, scale] = [base, null, 1]
  if (scale === 1 && index?.index === STACK_POINTER) [base, index] = [index, base]
  if (index?.index === STACK_POINTER) return problem(`\`${index.name}\` cannot be an index`, 'the stack pointer can only be a base')
  if (index !== null && ![1, 2, 4, 8].includes(scale))
    return problem(`an index cannot be multiplied by ${scale}`, 'the scale is 1, 2, 4 or 8')
  return { kind: 'parts', base, index, scale: (index === null ? 1 : scale) as AddressParts['scale'], size }
}
