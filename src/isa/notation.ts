/**
 * The notation of a form: the SDM's opcode column, with the abbreviations of its opcode map, and its operand column.
 *
 * Opcode tokens, in the order of the bytes:
 *
 *     66 F2 F3     as the first token: a mandatory prefix; NP: none of them allowed
 *     o16 o32 o64  this form at that operand size only (MOVSD is `o32 A5`)
 *     W            REX.W or VEX.W must be 1
 *     0F 38 A5     opcode bytes; a last byte after 0F 01 and the like is a fixed ModRM byte
 *     +r           the low three bits of the last opcode byte name a register
 *     /r /0../7    ModRM: a register and an r/m operand, or an opcode extension
 *     ib iw id iq  immediate of 1, 2, 4, 8 bytes; cb: relative byte
 *     iz cz        2 bytes at 16-bit operand size, else 4; iv: as many as the operand size; oa: as many as the address size
 *     ap           far pointer: offset by operand size, then a selector
 *
 * Operands, in Intel order. No number means "by operand size"; `n` is the native size (64 in 64-bit mode, else 32):
 *
 *     r/m8 r/m16 r/m32 r/m64 r/m r/mn      register or memory in ModRM.rm
 *     rm8 .. rm rmn                        register only, in ModRM.rm;   m8 .. m64 m: memory only; mem: without a size
 *     r8 .. r64 r rn                       register in ModRM.reg or, with +r, in the opcode
 *     imm8 sign-extended to the operand size; uimm8 zero-extended; imm16, imm32, imm: as wide as its bytes, sign-extended
 *     rel  branch displacement;  moffs8 moffs: memory at an absolute offset;  ptr: far pointer
 *     sreg cr dr xmm xmm/m32 xmm/m64 xmm/m128 xmmrm
 *     AL AX EAX RAX acc CL DX 1 3 ES .. GS: fixed
 *
 * Remarks: `d64` the operand size is 64 by default in 64-bit mode and cannot be 32; `f64` it is always 64 there;
 * `64` only in 64-bit mode; `!64` not in 64-bit mode; `encode` for the assembler only, another form decodes these bytes;
 * `same` the one register operand stands in ModRM.reg and in ModRM.rm (IMUL r, imm).
 *
 * A form with `o32` also serves 64-bit operand size where the instruction has no `o64` form (IN EAX, DX with REX.W).
 */

import { assert } from '../base/assert.ts'
import type { Size } from '../base/u64.ts'

/** 'operand': by operand size; 'native': 64 in 64-bit mode, else 32; 0: none of its own. */
export type SpecSize = Size | 80 | 128 | 256 | 0 | 'operand' | 'native'

export type OperandKind =
  | 'register'
  | 'memory'
  | 'register-or-memory'
  | 'immediate'
  | 'relative'
  | 'moffs'
  | 'far'
  | 'segment'
  | 'control'
  | 'debug'
  | 'xmm'
  | 'xmm-or-memory'
  | 'fixed-register'
  | 'fixed-segment'
  | 'fixed-value'

export interface OperandSpec {
  readonly text: string
  readonly kind: OperandKind
  readonly size: SpecSize
  /** Where the encoding holds it. `fixed`: nowhere. */
  readonly place: 'reg' | 'rm' | 'opcode' | 'immediate' | 'fixed'
  /** Register index or value of a fixed operand. */
  readonly fixed: number
  /** Of an immediate: whether its bytes are sign-extended to the operand size. */
  readonly signed: boolean
}

export type ImmediateToken = 'ib' | 'iw' | 'id' | 'iq' | 'iz' | 'iv' | 'cb' | 'cz' | 'oa' | 'ap'

export interface Form {
  readonly mnemonic: string
  readonly notation: string
  /** Mandatory prefix byte, 'NP' for "none of 66, F2, F3", or null where the prefixes keep their general meaning. */
  readonly mandatory: 0x66 | 0xf2 | 0xf3 | 'NP' | null
  readonly operandSize: 16 | 32 | 64 | null
  readonly wide: boolean
  /** 0: one byte; 1: 0F; 2: 0F 38; 3: 0F 3A. */
  readonly map: 0 | 1 | 2 | 3
  readonly opcode: number
  readonly plusRegister: boolean
  /** 'r', an opcode extension, a whole fixed byte (0xC0..0xFF), or null without ModRM. */
  readonly modrm:
    | { readonly kind: 'r' }
    | { readonly kind: 'digit'; readonly digit: number }
    | { readonly kind: 'byte'; readonly byte: number }
    | null
  readonly immediates: readonly ImmediateToken[]
  readonly operands: readonly OperandSpec[]
  readonly default64: boolean
  readonly force64: boolean
  readonly only64: boolean
  readonly not64: boolean
  readonly encodeOnly: boolean
  readonly sameRegister: boolean
}

const FIXED: Readonly<Record<string, readonly [OperandKind, SpecSize, number]>> = {
  AL: ['fixed-register', 8, 0],
  AX: ['fixed-register', 16, 0],
  EAX: ['fixed-register', 32, 0],
  RAX: ['fixed-register', 64, 0],
  acc: ['fixed-register', 'operand', 0],
  CL: ['fixed-register', 8, 1],
  CX: ['fixed-register', 16, 1],
  ECX: ['fixed-register', 32, 1],
  DX: ['fixed-register', 16, 2],
  ES: ['fixed-segment', 16, 0],
  CS: ['fixed-segment', 16, 1],
  SS: ['fixed-segment', 16, 2],
  DS: ['fixed-segment', 16, 3],
  FS: ['fixed-segment', 16, 4],
  GS: ['fixed-segment', 16, 5],
  1: ['fixed-value', 8, 1],
  3: ['fixed-value', 8, 3],
}

const SPECIAL: Readonly<Record<string, readonly [OperandKind, SpecSize]>> = {
  sreg: ['segment', 16],
  cr: ['control', 'native'],
  dr: ['debug', 'native'],
  xmm: ['xmm', 128],
}

function sizeOf(suffix: string): SpecSize {
  if (suffix === '') return 'operand'
  if (suffix === 'n') return 'native'
  const size = Number(suffix)
  assert([8, 16, 32, 64, 80, 128, 256].includes(size), `operand size ${suffix} exists`)
  return size as SpecSize
}

function parseOperand(text: string, plusRegister: boolean): OperandSpec {
  const spec = (kind: OperandKind, size: SpecSize, place: OperandSpec['place'], fixed = 0, signed = false): OperandSpec => ({
    text,
    kind,
    size,
    place,
    fixed,
    signed,
  })
  const constant = FIXED[text]
  if (constant) return spec(constant[0], constant[1], 'fixed', constant[2])
  const special = SPECIAL[text]
  if (special) return spec(special[0], special[1], 'reg')
  if (text === 'mem') return spec('memory', 0, 'rm')
  if (text === 'rel') return spec('relative', 'operand', 'immediate', 0, true)
  if (text === 'ptr') return spec('far', 'operand', 'immediate')
  if (text === 'xmmrm') return spec('xmm', 128, 'rm')
  const match = /^(xmm\/m|r\/m|rm|r|m|imm|uimm|moffs)(\d*|n)$/.exec(text)
  assert(match !== null, `operand notation ${text} is known`)
  const size = sizeOf(match[2]!)
  switch (match[1]) {
    case 'xmm/m':
      return spec('xmm-or-memory', size, 'rm')
    case 'r/m':
      return spec('register-or-memory', size, 'rm')
    case 'rm':
      return spec('register', size, 'rm')
    case 'r':
      return spec('register', size, plusRegister ? 'opcode' : 'reg')
    case 'm':
      return spec('memory', size, 'rm')
    case 'moffs':
      return spec('moffs', size, 'immediate')
    default:
      return spec('immediate', size, 'immediate', 0, match[1] === 'imm')
  }
}

const MANDATORY = { 66: 0x66, F2: 0xf2, F3: 0xf3, NP: 'NP' } as const
const IMMEDIATES: ReadonlySet<string> = new Set(['ib', 'iw', 'id', 'iq', 'iz', 'iv', 'cb', 'cz', 'oa', 'ap'])

/** The operand size a token forces: `o16`, `o32`, `o64`. */
function forcedSize(token: string): 16 | 32 | 64 | null {
  return token === 'o16' ? 16 : token === 'o32' ? 32 : token === 'o64' ? 64 : null
}

export function parseForm(mnemonic: string, opcodeText: string, operandText: string, remarks: string): Form {
  const tokens = opcodeText.split(' ')
  const bytes: number[] = []
  const immediates: ImmediateToken[] = []
  let mandatory: Form['mandatory'] = null
  let operandSize: Form['operandSize'] = null
  let wide = false
  let plusRegister = false
  let modrm: Form['modrm'] = null
  for (const [position, token] of tokens.entries()) {
    if (position === 0 && token in MANDATORY && tokens.length > 1) mandatory = MANDATORY[token as keyof typeof MANDATORY]
    else if (forcedSize(token) !== null) operandSize = forcedSize(token)
    else if (token === 'W') wide = true
    else if (token === '+r') plusRegister = true
    else if (token === '/r') modrm = { kind: 'r' }
    else if (/^\/[0-7]$/.test(token)) modrm = { kind: 'digit', digit: Number(token[1]) }
    else if (IMMEDIATES.has(token)) immediates.push(token as ImmediateToken)
    else {
      assert(/^[0-9A-F]{2}$/.test(token), `${mnemonic}: opcode token ${token} is known`)
      bytes.push(Number.parseInt(token, 16))
    }
  }
  const map =
    bytes[0] !== 0x0f || bytes.length === 1 ? 0 : bytes[1] === 0x38 && bytes.length > 2 ? 2 : bytes[1] === 0x3a && bytes.length > 2 ? 3 : 1
  const rest = bytes.slice(map === 0 ? 0 : map === 1 ? 1 : 2)
  assert(rest.length === 1 || (rest.length === 2 && modrm === null), `${mnemonic}: ${opcodeText} has one opcode byte`)
  if (rest.length === 2) modrm = { kind: 'byte', byte: rest[1]! }
  const remark = new Set(remarks.split(' '))
  return {
    mnemonic,
    notation: `${opcodeText} | ${operandText}`,
    mandatory,
    operandSize,
    wide,
    map,
    opcode: rest[0]!,
    plusRegister,
    modrm,
    immediates,
    operands: operandText === '' ? [] : operandText.split(', ').map(text => parseOperand(text, plusRegister)),
    default64: remark.has('d64'),
    force64: remark.has('f64'),
    only64: remark.has('64'),
    not64: remark.has('!64'),
    encodeOnly: remark.has('encode'),
    sameRegister: remark.has('same'),
  }
}

/** Whether the form means something else at each operand size. */
export const followsOperandSize = (form: Form): boolean =>
  form.operandSize !== null ||
  form.operands.some(operand => operand.size === 'operand') ||
  form.immediates.some(token => /^(iz|iv|cz|ap)$/.test(token))
