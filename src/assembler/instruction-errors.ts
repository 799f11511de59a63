/** Why an instruction cannot be encoded, in words: which operand, which sizes, which forms exist. */

import type { EncodeFailure, Overflow } from '../isa/encode.ts'
import type { InstructionRow } from '../isa/instruction.ts'
import type { InstructionNode } from './ast.ts'
import { placeOf } from './evaluate.ts'
import type { Prepared } from './instructions.ts'
import type { Assembly } from './state.ts'
import { report } from './symbols.ts'
import { type Span, type Token, textOf } from './tokens.ts'

const SIZE_WORDS: Readonly<Record<number, string>> = {
  8: 'byte',
  16: 'word',
  32: 'dword',
  64: 'qword',
  80: 'tword',
  128: 'oword',
  256: 'yword',
}
const GENERAL = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di']

/** A refused instruction, as its explanations need it. */
interface Refused {
  readonly prepared: Prepared
  readonly name: string
  readonly assembly: Assembly
  /** Where an operand stands; the whole instruction for -1. */
  readonly at: (operand: number) => Span
  readonly text: (operand: number) => string
}

export function reportFailure(
  failure: EncodeFailure,
  prepared: Prepared,
  node: InstructionNode,
  tokens: readonly Token[],
  assembly: Assembly,
): void {
  const operandAt = (operand: number) => node.operands[operand] ?? node
  const refused: Refused = {
    prepared,
    name: prepared.row.mnemonic.toLowerCase(),
    assembly,
    at: operand => placeOf(operandAt(operand), tokens),
    text: operand => textOf(tokens.slice(operandAt(operand).first, operandAt(operand).last + 1)).trim(),
  }
  const explain = EXPLANATIONS[failure.kind] as (failure: EncodeFailure, refused: Refused) => void
  explain(failure, refused)
}

type Explanations = { readonly [K in EncodeFailure['kind']]: (failure: Extract<EncodeFailure, { kind: K }>, refused: Refused) => void }

const EXPLANATIONS: Explanations = {
  'operand-count'({ takes }, { prepared, name, assembly, at }) {
    const counts = takes.length === 0 ? 'none' : takes.join(' or ')
    const message = `\`${name}\` takes ${counts} operand${counts === '1' ? '' : 's'}, not ${prepared.operands.length}`
    report(assembly, 'E0202', message, at(-1), { help: [formsHelp(prepared.row)] })
  },
  combination({ operand }, { prepared, name, assembly, at, text }) {
    const message = operand < 0 ? `no form of \`${name}\` takes these operands` : `\`${name}\` cannot take \`${text(operand)}\` here`
    report(assembly, 'E0201', message, at(operand), { help: [formsHelp(prepared.row)] })
  },
  'size-mismatch'({ operands, sizes }, { prepared, assembly, at, text }) {
    const [a, b] = operands
    report(assembly, 'E0203', 'operand sizes differ', at(a), {
      also: [at(b)],
      hint: `${sizes[0]}-bit destination, ${sizes[1]}-bit source`,
      help: sizeHelp(prepared, operands, [text(a), text(b)]),
    })
  },
  'size-wrong'({ operand, size, allowed }, { prepared, name, assembly, at }) {
    report(assembly, 'E0203', `\`${name}\` cannot take a ${size}-bit operand here`, at(operand), {
      hint: `${size} bits; ${allowed.join(', ')} would do`,
      help: [formsHelp(prepared.row)],
    })
  },
  'size-missing'({ operand, sizes }, { assembly, at, text }) {
    const words = sizes.map(size => `\`${SIZE_WORDS[size]}\``)
    report(assembly, 'E0204', 'the operand size is missing', at(operand), {
      hint: `${words.slice(0, -1).join(', ')} or ${words.at(-1)}?`,
      help: [`write \`${SIZE_WORDS[sizes.at(-1)!]} ${text(operand)}\`: nothing else on the line says how wide the memory is`],
    })
  },
  mode({ needs64, operand }, { name, assembly, at, text }) {
    const what = operand < 0 ? `this form of \`${name}\`` : `\`${text(operand)}\``
    report(assembly, 'E0205', modeText(needs64, what, assembly.bits), at(operand), { help: modeHelp(needs64, assembly) })
  },
  range({ operand, distance }, { assembly, at }) {
    report(assembly, 'E0206', 'the target is too far for a short jump', at(operand), {
      hint: `${distance} bytes away, -128 to 127 possible`,
      help: ['without `short` the assembler picks a near jump; LOOP and JCXZ have no near form'],
    })
  },
  'high-byte'({ operand }, { assembly, at, text }) {
    const why = 'another operand needs a REX prefix, which turns AH, CH, DH, BH into SPL, BPL, SIL, DIL'
    report(assembly, 'E0209', `\`${text(operand)}\` cannot be used here: ${why}`, at(operand), {
      help: ['move the byte through AL, CL, DL or BL'],
    })
  },
  address({ operand }, { assembly, at }) {
    report(assembly, 'E0207', 'no encoding can say this address', at(operand), {
      help: ['16-bit addresses are BX or BP plus SI or DI; a 64-bit displacement goes with AL, AX, EAX, RAX in `mov` only'],
    })
  },
}

const modeText = (needs64: boolean, what: string, bits: number): string =>
  `${what} ${needs64 ? `exists in 64-bit code only, and this is ${bits}-bit code` : 'does not exist in 64-bit code'}`

function modeHelp(needs64: boolean, assembly: Assembly): string[] {
  if (!needs64) return []
  return [
    assembly.bitsStated ? '`bits 64` switches to 64-bit code' : 'without a `bits` line the code is 16-bit, as NASM’s: begin with `bits 64`',
  ]
}

/** The operand columns of the instruction table, which a person reads as the SDM's. */
function formsHelp(row: InstructionRow): string {
  const forms = [...new Set(row.forms.map(form => form.operands.map(operand => operand.text).join(', ')))]
  const shown = forms.slice(0, 8).map(form => `\`${row.mnemonic.toLowerCase()}${form === '' ? '' : ` ${form}`}\``)
  return `the forms are ${shown.join('; ')}${forms.length > shown.length ? '; ...' : ''}`
}

/** The name of a general register at another size. */
function resized(name: string, index: number, size: number): string {
  if (index >= 8) return `r${index}${{ 8: 'b', 16: 'w', 32: 'd', 64: '' }[size] ?? ''}`
  const base = GENERAL[index]!
  if (size === 8) return index < 4 ? `${base[0]}l` : `${base}l`
  return size === 16 ? base : size === 32 ? `e${base}` : size === 64 ? `r${base}` : name
}

/** Both ways to make the sizes agree, where both operands are registers. */
function sizeHelp({ row, operands }: Prepared, [a, b]: readonly [number, number], [first, second]: readonly [string, string]): string[] {
  const [left, right] = [operands[a]!, operands[b]!]
  const name = row.mnemonic.toLowerCase()
  if (left.kind === 'register' && right.kind === 'register') {
    const wider = resized(first, left.index, right.size)
    const other = resized(second, right.index, left.size)
    if (name !== 'mov')
      return [`\`${name} ${wider}, ${second}\` works on ${right.size} bits, \`${name} ${first}, ${other}\` on ${left.size}`]
    const clears = left.size === 32 ? ` (and clears r${first.slice(1)}[63:32])` : ''
    if (right.size > left.size)
      return [`\`mov ${wider}, ${second}\` copies all ${right.size} bits; \`mov ${first}, ${other}\` the low ${left.size}${clears}`]
    return [`\`movzx\` or \`movsx\` widen; \`mov ${wider}, ${second}\` copies ${right.size} bits`]
  }
  const memory = left.kind === 'memory' ? right : left
  return memory.kind === 'register'
    ? [`the register is ${memory.size} bits wide: write \`${SIZE_WORDS[memory.size]}\`, or no size word at all`]
    : []
}

export function overflowWarning(
  { operand, value, bytes, signed }: Overflow,
  { operands }: Prepared,
  node: InstructionNode,
  tokens: readonly Token[],
  assembly: Assembly,
): void {
  const bits = bytes * 8
  const cut = signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value)
  const becomes = cut < 0n ? `-0x${(-cut).toString(16)}` : `0x${cut.toString(16)}`
  const what = operands[operand]!.kind === 'memory' ? 'displacement' : 'value'
  const span = placeOf(node.operands[operand]!, tokens)
  report(assembly, 'W0206', `the ${what} does not fit into ${bits} ${signed ? 'signed ' : ''}bits: the processor sees ${becomes}`, span, {
    help: signed && bits === 32 ? ['a full 64-bit value goes through a register: `mov rax, value`'] : [],
  })
}
