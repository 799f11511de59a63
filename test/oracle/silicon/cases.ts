/** The cases of a section: each is made from the section's name, the seed and its number, and from nothing else. */

import type { SiliconCase, Window } from './case.ts'
import { bytesOf, type Draft, immediateLength, littleEndian, memoryAllowed, registerAllowed } from './encoding.ts'
import { AREA_WINDOW, MIDDLE_WINDOW, STACK_WINDOW, TAIL_WINDOW } from './place.ts'
import { type Random, randomFrom } from './random.ts'
import type { Section } from './sections.ts'
import { branchTarget, dataBase, flagsValue, operandAddress, operandValue, selectorValue, vectorState } from './values.ts'

/** Rises when the same seed gives other cases. */
export const GENERATOR_VERSION = 1

const STRING = /^(MOVS|STOS|LODS|SCAS|CMPS|INS|OUTS)[BWDQ]$/
const AREA = /^(FXSAVE|FXRSTOR|XSAVE|XSAVEOPT|XSAVEC|XRSTOR)(64)?$/
const X87 = /^(F|STMXCSR|LDMXCSR|X)/
const IMPLICIT: readonly (readonly [RegExp, readonly number[]])[] = [
  [/^CMPXCHG/, [0, 1, 2, 3]],
  [/^(I?MUL|I?DIV|MULX)$/, [0, 2]],
  [/^(ROL|ROR|RCL|RCR|SHL|SHR|SAR|SHLD|SHRD|LOOP|J.?CXZ)/, [1]],
  [/^(PUSH|POP|CALL|RET|ENTER|LEAVE|IRET)/, [4]],
  [/^X(SAVE|RSTOR)/, [0, 2]],
]

const usesVectors = ({ row, form }: Section): boolean =>
  row.mnemonic === 'FWAIT' ||
  (X87.test(row.mnemonic) && row.feature !== null) ||
  form.operands.some(o => o.size === 128 || o.size === 256) ||
  /^VZERO/.test(row.mnemonic)

const isAligned = ({ row }: Section): boolean =>
  /^V?(MOVAP|MOVDQA|MOVNT)|CMPXCHG16B/.test(row.mnemonic) || row.feature === 'sse2' || row.feature === 'sse'

const windowOf = ({ offset, bytes }: { readonly offset: number; readonly bytes: number }, random: Random): Window => ({
  offset,
  bytes: random.bytes(bytes),
})

/** Puts bytes at an effective address, where a window holds it. */
function poke(windows: readonly Window[], offset: bigint, bytes: readonly number[]): void {
  for (const window of windows)
    for (const [index, byte] of bytes.entries()) {
      const at = Number(BigInt.asIntN(53, offset)) + index - window.offset
      if (at >= 0 && at < window.bytes.length) window.bytes[at] = byte
    }
}

function draftOf(section: Section, random: Random): Draft {
  const { form, row, mode } = section
  const count = mode === 64 ? 16 : 8
  const narrow = mode !== 64
  const gpr = Array.from({ length: 16 }, () => (narrow ? operandValue(random) & 0xffff_ffffn : operandValue(random)))
  const mayMemory = memoryAllowed(form)
  const isMemory = mayMemory && (!registerAllowed(form) || random.chance(50))
  const addressSize = form.addressSize ?? (random.chance(10) ? (mode === 32 ? 16 : 32) : mode)
  const pinned = new Set(IMPLICIT.flatMap(([names, registers]) => (names.test(row.mnemonic) && random.chance(90) ? registers : [])))
  const reg = form.modrm?.kind === 'r' ? random.below(count) : 0
  const isSegment = form.operands.some(({ kind, place }) => kind === 'segment' && place === 'reg')
  if (form.modrm?.kind === 'r' && random.chance(90)) pinned.add(reg)
  const lockable = row.prefixes.includes('lock') && isMemory
  const repeatable = STRING.test(row.mnemonic)
  return {
    section,
    random,
    gpr,
    pinned,
    addressSize,
    reg: isSegment ? random.below(8) : reg,
    rm: random.below(count),
    isMemory,
    target: 0n,
    override: isMemory && random.chance(4) ? random.pick([0x3e, 0x26, 0x65]) : 0,
    lock: lockable ? random.chance(10) : random.chance(1) && form.vex === null,
    repeat: repeatable && random.chance(60) ? random.pick([0xf2, 0xf3] as const) : 0,
    vvvv: random.below(count),
    immediates: [],
  }
}

/** Bytes of the memory operand. */
function operandBytes({ form, size }: Section): number {
  const operand = form.operands.find(({ place }) => place === 'rm')
  if (operand === undefined || operand.size === 0) return 16
  return operand.size === 'operand' || operand.size === 'native' ? size / 8 : operand.size / 8
}

function immediatesOf(draft: Draft): number[] {
  const { section, random, addressSize } = draft
  const { form, size, mode, row } = section
  const bytes: number[] = []
  for (const token of form.immediates) {
    const length = immediateLength(token, size, addressSize)
    if (token === 'cb' || token === 'cz') bytes.push(...littleEndian(relativeDistance(random, token === 'cb', size, mode), length))
    else if (token === 'oa') bytes.push(...littleEndian(draft.target, length))
    else if (token === 'ap')
      bytes.push(...littleEndian(branchTarget(random, mode), length), ...littleEndian(BigInt(selectorValue(random)), 2))
    else if (row.mnemonic === 'INT') bytes.push(random.pick([0, 1, 3, 4, 13, 0x20, random.below(0x80), 0x81 + random.below(0x7f)]))
    else if (row.mnemonic === 'ENTER')
      bytes.push(...littleEndian(token === 'iw' ? BigInt(random.below(48)) : BigInt(random.below(random.chance(80) ? 4 : 40)), length))
    else if (/^RET/.test(row.mnemonic)) bytes.push(...littleEndian(BigInt(random.below(64)), length))
    else bytes.push(...littleEndian(operandValue(random), length))
  }
  return bytes
}

/** Far enough not to land in what follows the instruction, nor on the instruction itself. */
function relativeDistance(random: Random, isByte: boolean, size: number, mode: number): bigint {
  if (isByte) return BigInt(random.chance(50) ? 40 + random.below(80) : -40 - random.below(80))
  if (size === 16 && mode !== 64) return BigInt(40 + random.below(0xf000))
  return BigInt(random.chance(60) ? 40 + random.below(0xc00) : 0x1000_0000 + (random.word() % 0x1000_0000)) * (random.chance(20) ? -1n : 1n)
}

/** Registers and memory that the instruction wants to find something sensible in. */
function arrange(draft: Draft, windows: readonly Window[]): void {
  const { section, random, gpr, pinned } = draft
  const { row, mode, size } = section
  const { mnemonic } = row
  const base = dataBase(mode)
  const narrow = (value: bigint): bigint => (mode === 64 ? value : value & 0xffff_ffffn)
  gpr[4] = base + (random.chance(3) ? BigInt(random.below(16)) : 0x800n + BigInt(random.chance(90) ? 0 : random.below(16)))
  if (STRING.test(mnemonic) || mnemonic === 'XLATB') {
    gpr[6] = operandAddress(random, mode, 8, false)
    gpr[7] = operandAddress(random, mode, 8, false)
    gpr[1] = BigInt(random.below(6))
    gpr[3] = operandAddress(random, mode, 64, false)
    if (draft.addressSize === 64 || random.chance(80)) for (const index of [1, 3, 6, 7]) gpr[index] = narrow(gpr[index]!)
  }
  if (/^(LOOP|J.?CXZ)/.test(mnemonic))
    gpr[1] = random.pick([0n, 1n, 2n, 0x1_0000n, 0x1_0001n, narrow(0x1_0000_0000n), narrow(random.quad())])
  if (/^(BT|BTS|BTR|BTC)$/.test(mnemonic) && draft.isMemory && section.form.modrm?.kind === 'r' && random.chance(90))
    gpr[draft.reg] = narrow(BigInt.asUintN(64, BigInt(random.below(512) - 256)))
  if (/^I?DIV$/.test(mnemonic) && random.chance(70)) gpr[2] = random.chance(50) ? 0n : BigInt(random.below(3))
  if (/^(ENTER|LEAVE)$/.test(mnemonic))
    gpr[5] = base + (random.chance(95) ? 0x810n + BigInt(random.below(32)) : BigInt(random.below(0x3000)))
  if (/^(JMP|CALL)$/.test(mnemonic) && !draft.isMemory && draft.rm !== 4) gpr[draft.rm] = branchTarget(random, mode)
  arrangeStack(draft, windows, size / 8)
  draft.target = AREA.test(mnemonic)
    ? base + BigInt(AREA_WINDOW.offset) + (random.chance(95) ? 0n : 16n)
    : operandAddress(random, mode, operandBytes(section), isAligned(section))
  if (/^(JMP|CALL)$/.test(mnemonic) && draft.isMemory) {
    const bytes = littleEndian(branchTarget(random, mode), size / 8)
    poke(windows, draft.target - base, [...bytes, ...littleEndian(BigInt(selectorValue(random)), 2)])
  }
  if (/^L[DEFGS]S$/.test(mnemonic)) poke(windows, draft.target - base + BigInt(size / 8), littleEndian(BigInt(selectorValue(random)), 2))
  if (/^(LAR|LSL|VERR|VERW|ARPL)$/.test(mnemonic) || section.form.operands.some(({ kind }) => kind === 'segment')) {
    const selector = BigInt(selectorValue(random))
    if (draft.isMemory) poke(windows, draft.target - base, littleEndian(selector, 2))
    else if (draft.rm !== 4 || mnemonic !== 'POP') gpr[draft.rm] = (gpr[draft.rm]! & ~0xffffn) | selector
  }
  if (AREA.test(mnemonic)) {
    gpr[0] = BigInt(random.below(8))
    gpr[2] = 0n
    pinned.add(0).add(2)
    arrangeArea(random, windows)
  }
  if (mnemonic === 'LDMXCSR' && random.chance(70)) poke(windows, draft.target - base + 2n, [0, 0])
}

/** What returns find on the stack; POPF no trap flag, since the harness would see its trap. */
function arrangeStack({ section, random, gpr }: Draft, windows: readonly Window[], bytes: number): void {
  const { row, mode, size } = section
  const { mnemonic } = row
  const top = gpr[4]! - dataBase(mode)
  const put = (slot: number, value: bigint): void => poke(windows, top + BigInt(slot * bytes), littleEndian(value, bytes))
  const flags = (): bigint => (random.quad() & 0xcd5n) | (random.chance(10) ? 0x4000n : 0n) | 0x202n
  if (mnemonic === 'RET') put(0, branchTarget(random, mode))
  if (/^RETF/.test(mnemonic) || /^IRET/.test(mnemonic)) {
    put(0, branchTarget(random, mode))
    put(1, BigInt(random.chance(60) ? (mode === 64 ? 0x33 : mode === 32 ? 0x23 : 0x07) : selectorValue(random)))
  }
  if (/^IRET/.test(mnemonic)) {
    put(2, flags())
    put(3, dataBase(mode) + 0x900n)
    put(4, BigInt(mode === 16 ? 0x0f : 0x2b))
  }
  if (/^POPF/.test(mnemonic)) put(0, flags() | (random.quad() & 0x20_3000n))
  if (mnemonic === 'POP' && section.form.operands.some(({ kind }) => kind === 'fixed-segment')) put(0, BigInt(selectorValue(random)))
  if (size === 64 && mnemonic === 'LEAVE') put(0, random.quad())
}

/** An area that restores something: values that exist, and now and then one that does not. */
function arrangeArea(random: Random, windows: readonly Window[]): void {
  const offset = (at: number): bigint => BigInt(AREA_WINDOW.offset + at)
  const put = (at: number, value: bigint, bytes: number): void => poke(windows, offset(at), littleEndian(value, bytes))
  put(0, (random.quad() & 0x1f3fn) | 0x40n, 2)
  put(2, random.quad() & 0x7f00n, 2)
  put(4, 0n, 20)
  put(24, random.chance(90) ? random.quad() & 0xffffn : random.quad(), 4)
  for (let register = 0; register < 8; register++) put(32 + 16 * register + 10, 0n, 6)
  const isCompacted = random.chance(40)
  const layout = BigInt(random.below(8))
  put(
    512,
    isCompacted && random.chance(80) ? BigInt(random.below(8)) & layout : BigInt(random.chance(90) ? random.below(8) : random.below(256)),
    8,
  )
  put(520, isCompacted ? layout | (1n << 63n) : random.chance(90) ? 0n : random.quad(), 8)
  for (let word = 2; word < 8; word++) put(512 + 8 * word, random.chance(98) ? 0n : 1n, 8)
}

export function makeCase(section: Section, seed: number, number: number): SiliconCase {
  const random = randomFrom(`${seed} ${section.key} ${number}`)
  const draft = draftOf(section, random)
  const { mnemonic } = section.row
  const isArea = AREA.test(mnemonic)
  const windows = isArea
    ? [windowOf(AREA_WINDOW, random)]
    : [STACK_WINDOW, MIDDLE_WINDOW, TAIL_WINDOW].map(window => windowOf(window, random))
  arrange(draft, windows)
  draft.immediates = immediatesOf(draft)
  if (draft.pinned.has(4) || !draft.isMemory || random.chance(95)) draft.pinned.add(4)
  const code = bytesOf(draft)
  return {
    mode: section.mode,
    code,
    gpr: section.mode === 64 ? draft.gpr : draft.gpr.map((value, index) => (index < 8 ? value & 0xffff_ffffn : 0n)),
    flags: flagsValue(random, STRING.test(mnemonic)),
    vectors: usesVectors(section) ? vectorState(random, X87.test(mnemonic) && !AREA.test(mnemonic)) : null,
    windows,
  }
}
