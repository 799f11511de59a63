/**
 * The notation of a form: the SDM's opcode column, with the abbreviations of its opcode map, and its operand column.
 *
 * Opcode tokens, in the order of the bytes:
 *
 *     66 F2 F3     as the first token: a mandatory prefix; NP: none of them allowed; NFx: neither F2 nor F3
 *     o16 o32 o64  this form at that operand size only (MOVSD is `o32 A5`); a16 a32 a64: at that address size (JECXZ)
 *     W            REX.W must be 1
 *     VEX.L.p.m.W  a VEX prefix as the manual writes it: length 128, 256, LZ; then 66, F2, F3 or nothing; 0F, 0F38 or 0F3A;
 *                  W0, W1, WIG, or nothing where W follows the operand size (which is 32 or 64 bits)
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
 *     sreg cr dr xmm xmm/m32 xmm/m64 xmm/m128 xmmrm ymm ymm/m256 ymmrm;   rv xmmv: in VEX.vvvv;   mfar: a far pointer in memory
 *     AL AX EAX RAX acc CL DX 1 3 ES .. GS: fixed
 *
 * Remarks: `d64` the operand size is 64 by default in 64-bit mode and cannot be 32; `f64` it is always 64 there;
 * `64` only in 64-bit mode; `!64` not in 64-bit mode; `encode` for the assembler only, another form decodes these bytes;
 * `decode` for the decoder only, the assembler writes another form; `same` the one register operand stands in ModRM.reg and in
 * ModRM.rm (IMUL r, imm); `y`, after the manual's code for it, the operand size is 32 bits or, with W, 64, in every mode.
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
  | 'ymm'
  | 'ymm-or-memory'
  | 'far-memory'
  | 'fixed-register'
  | 'fixed-segment'
  | 'fixed-value'

export interface OperandSpec {
  readonly text: string
  readonly kind: OperandKind
  readonly size: SpecSize
  /** Where the encoding holds it. `fixed`: nowhere. */
  readonly place: 'reg' | 'rm' | 'vvvv' | 'opcode' | 'immediate' | 'fixed'
  /** Register index or value of a fixed operand. */
  readonly fixed: number
  /** Of an immediate: whether its bytes are sign-extended to the operand size. */
  readonly signed: boolean
}

export type ImmediateToken = 'ib' | 'iw' | 'id' | 'iq' | 'iz' | 'iv' | 'cb' | 'cz' | 'oa' | 'ap'

/** What a VEX prefix must say beside the opcode map and the mandatory prefix, which it encodes too. */
export interface VexNotation {
  /** VEX.L: 0 for 128 bits. */
  readonly long: 0 | 1
  /** 'any': ignored; 'operand': 1 for 64-bit operands. */
  readonly wide: 0 | 1 | 'any' | 'operand'
}

export interface Form {
  readonly mnemonic: string
  readonly notation: string
  /** Mandatory prefix byte, 'NP' for "none of 66, F2, F3", 'NFx' for "neither F2 nor F3", null where they keep their general meaning. */
  readonly mandatory: 0x66 | 0xf2 | 0xf3 | 'NP' | 'NFx' | null
  readonly vex: VexNotation | null
  readonly operandSize: 16 | 32 | 64 | null
  readonly addressSize: 16 | 32 | 64 | null
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
  readonly decodeOnly: boolean
  readonly sameRegister: boolean
  /** The operand size is 32 bits, or 64 with REX.W or VEX.W, whatever the mode. */
  readonly only32or64: boolean
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
  EDX: ['fixed-register', 32, 2],
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
  ymm: ['ymm', 256],
}

/** Operands whose place the name alone gives. */
const PLACED: Readonly<Record<string, readonly [OperandKind, SpecSize, OperandSpec['place']]>> = {
  mem: ['memory', 0, 'rm'],
  mfar: ['far-memory', 'operand', 'rm'],
  ptr: ['far', 'operand', 'immediate'],
  xmmrm: ['xmm', 128, 'rm'],
  ymmrm: ['ymm', 256, 'rm'],
  xmmv: ['xmm', 128, 'vvvv'],
  rv: ['register', 'operand', 'vvvv'],
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
  if (text === 'rel') return spec('relative', 'operand', 'immediate', 0, true)
  const placed = PLACED[text]
  if (placed) return spec(...placed)
  const match = /^(xmm\/m|ymm\/m|r\/m|rm|r|m|imm|uimm|moffs)(\d*|n)$/.exec(text)
  assert(match !== null, `operand notation ${text} is known`)
  const size = sizeOf(match[2]!)
  switch (match[1]) {
    case 'xmm/m':
      return spec('xmm-or-memory', size, 'rm')
    case 'ymm/m':
      return spec('ymm-or-memory', size, 'rm')
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

const MANDATORY = { 66: 0x66, F2: 0xf2, F3: 0xf3, NP: 'NP', NFx: 'NFx' } as const
const IMMEDIATES: ReadonlySet<string> = new Set(['ib', 'iw', 'id', 'iq', 'iz', 'iv', 'cb', 'cz', 'oa', 'ap'])
const VEX_MAPS: Readonly<Record<string, readonly string[]>> = { '0F': ['0F'], '0F38': ['0F', '38'], '0F3A': ['0F', '3A'] }

/** `VEX.128.66.0F.WIG` as the tokens that say the same without VEX, and what only VEX says. */
function expandVex(text: string): { tokens: readonly string[]; vex: VexNotation } {
  const [, long, ...parts] = text.split('.')
  const prefix = parts[0]! in MANDATORY ? parts.shift()! : 'NP'
  const map = VEX_MAPS[parts.shift()!]
  const wide = parts.shift()
  assert(map !== undefined && parts.length === 0, `VEX notation ${text} is known`)
  return {
    tokens: [prefix, ...map],
    vex: { long: long === '256' ? 1 : 0, wide: wide === undefined ? 'operand' : wide === 'WIG' ? 'any' : wide === 'W1' ? 1 : 0 },
  }
}

/** The size a token such as `o16` or `a32` forces. */
function forcedSize(token: string, letter: 'o' | 'a'): 16 | 32 | 64 | null {
  const size = token[0] === letter ? Number(token.slice(1)) : 0
  return size === 16 || size === 32 || size === 64 ? size : null
}

type Encoding = Pick<
  Form,
  'mandatory' | 'vex' | 'operandSize' | 'addressSize' | 'wide' | 'map' | 'opcode' | 'plusRegister' | 'modrm' | 'immediates'
>

function parseOpcode(mnemonic: string, opcodeText: string): Encoding {
  const written = opcodeText.split(' ')
  const expanded = written[0]!.startsWith('VEX.') ? expandVex(written[0]!) : null
  const tokens = expanded === null ? written : [...expanded.tokens, ...written.slice(1)]
  const bytes: number[] = []
  const immediates: ImmediateToken[] = []
  let mandatory: Form['mandatory'] = null
  let operandSize: Form['operandSize'] = null
  let addressSize: Form['addressSize'] = null
  let wide = false
  let plusRegister = false
  let modrm: Form['modrm'] = null
  for (const [position, token] of tokens.entries()) {
    if (position === 0 && token in MANDATORY && tokens.length > 1) mandatory = MANDATORY[token as keyof typeof MANDATORY]
    else if (forcedSize(token, 'o') !== null) operandSize = forcedSize(token, 'o')
    else if (forcedSize(token, 'a') !== null) addressSize = forcedSize(token, 'a')
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
  const [map, ...rest] = splitMap(bytes)
  assert(rest.length === 1 || (rest.length === 2 && modrm === null), `${mnemonic}: ${opcodeText} has one opcode byte`)
  if (rest.length === 2) modrm = { kind: 'byte', byte: rest[1]! }
  const vex = expanded?.vex ?? null
  return { mandatory, vex, operandSize, addressSize, wide, map, opcode: rest[0]!, plusRegister, modrm, immediates }
}

/** The opcode map that the first bytes name, then the bytes behind them. */
function splitMap(bytes: readonly number[]): [map: 0 | 1 | 2 | 3, ...rest: number[]] {
  if (bytes[0] !== 0x0f || bytes.length === 1) return [0, ...bytes]
  if (bytes.length > 2 && bytes[1] === 0x38) return [2, ...bytes.slice(2)]
  if (bytes.length > 2 && bytes[1] === 0x3a) return [3, ...bytes.slice(2)]
  return [1, ...bytes.slice(1)]
}

export function parseForm(mnemonic: string, opcodeText: string, operandText: string, remarks: string): Form {
  const encoding = parseOpcode(mnemonic, opcodeText)
  const remark = new Set(remarks.split(' '))
  return {
    mnemonic,
    notation: `${opcodeText} | ${operandText}`,
    ...encoding,
    operands: operandText === '' ? [] : operandText.split(', ').map(text => parseOperand(text, encoding.plusRegister)),
    default64: remark.has('d64'),
    force64: remark.has('f64'),
    only64: remark.has('64'),
    not64: remark.has('!64'),
    encodeOnly: remark.has('encode'),
    decodeOnly: remark.has('decode'),
    sameRegister: remark.has('same'),
    only32or64: remark.has('y') || encoding.vex?.wide === 'operand',
  }
}

/** Whether the form means something else at each operand size. */
export const followsOperandSize = (form: Form): boolean =>
  form.operandSize !== null ||
  form.operands.some(operand => operand.size === 'operand') ||
  form.immediates.some(token => /^(iz|iv|cz|ap)$/.test(token))
