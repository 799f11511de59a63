/** DB and its kin, RESB and its kin, INCBIN. */

import { high32, low32 } from '../base/u64.ts'
import type { Fixup } from '../isa/encode.ts'
import type { DataItem, DataNode, Dup, Expression, IncbinNode, Leaf, ReserveNode } from './ast.ts'
import { DATA, emit, reserve } from './emit.ts'
import { evaluate, placeOf, type Scope } from './evaluate.ts'
import { parseFloatLiteral, stringBytes } from './literals.ts'
import { resolve } from './operands.ts'
import type { Assembly } from './state.ts'
import { report } from './symbols.ts'
import type { Token } from './tokens.ts'
import { isKnown, sectionOf, type Value } from './value.ts'

/** Bytes of one unit, by the word's last letter. */
const UNITS: Readonly<Record<string, number>> = { b: 1, w: 2, d: 4, q: 8, t: 10, o: 16, y: 32, z: 64 }

const unitOf = (word: Token): number => UNITS[word.text.at(-1)!.toLowerCase()]!

export interface Bytes {
  readonly bytes: readonly number[]
  readonly fixups: readonly Fixup[]
}

/** More copies of a value than a line of data needs; `times` makes more. */
const MAX_DUP_BYTES = 1_000_000

/** The bytes of a data line with present values; what is wrong is reported and counts as one zero unit. */
export function dataBytes(node: DataNode, tokens: readonly Token[], assembly: Assembly, scope: Scope): Bytes {
  const out: Pushing = { bytes: [], fixups: [], unit: unitOf(tokens[node.word]!), tokens, assembly, scope }
  for (const value of node.values) pushItem(out, value)
  return out
}

interface Pushing {
  readonly bytes: number[]
  readonly fixups: Fixup[]
  readonly unit: number
  readonly tokens: readonly Token[]
  readonly assembly: Assembly
  readonly scope: Scope
}

function pushItem(out: Pushing, value: DataItem): void {
  const { bytes, fixups, unit, tokens, assembly, scope } = out
  if (value === null) for (let count = 0; count < unit; count++) bytes.push(0)
  else if (value.kind === 'dup') pushCopies(out, value)
  else if (value.kind === 'string') pushString(bytes, stringBytes(tokens[value.at]!.text), unit)
  else if (floatIn(value) !== undefined) pushFloat(bytes, value, unit, tokens, assembly)
  else pushNumber(bytes, fixups, value, unit, tokens, assembly, scope)
}

/** `count dup (values)`; each copy has its own fixups. */
function pushCopies(out: Pushing, { count, values }: Dup): void {
  const { bytes, fixups, tokens, assembly, scope } = out
  const copies = countOf(count, tokens, assembly, scope, 'the count of dup', MAX_DUP_BYTES)
  if (copies === 0) return
  const [start, firstFixup] = [bytes.length, fixups.length]
  for (const value of values) pushItem(out, value)
  const [length, end] = [bytes.length - start, fixups.length]
  if (length * copies > MAX_DUP_BYTES) {
    report(assembly, 'E0602', `\`dup\` makes more than ${MAX_DUP_BYTES} bytes`, placeOf(count, tokens), { help: ['`times` makes more'] })
    return
  }
  for (let copy = 1; copy < copies; copy++) {
    for (let at = 0; at < length; at++) bytes.push(bytes[start + at]!)
    for (const fixup of fixups.slice(firstFixup, end)) fixups.push({ ...fixup, at: fixup.at + copy * length })
  }
}

/** A string fills whole units, zeros behind it. */
function pushString(bytes: number[], text: Uint8Array, unit: number): void {
  for (const byte of text) bytes.push(byte)
  for (let rest = text.length % unit; rest !== 0 && rest < unit; rest++) bytes.push(0)
}

function floatIn(value: Expression): Leaf | undefined {
  if (value.kind === 'float') return value
  return value.kind === 'unary' && (value.operator === '-' || value.operator === '+') ? floatIn(value.operand) : undefined
}

function pushFloat(bytes: number[], value: Expression, unit: number, tokens: readonly Token[], assembly: Assembly): void {
  const leaf = floatIn(value)!
  const minus = tokens.slice(value.first, leaf.at).filter(token => token.type === '-').length % 2 === 1
  const number = parseFloatLiteral(tokens[leaf.at]!.text) * (minus ? -1 : 1)
  const view = new DataView(new ArrayBuffer(8))
  if (unit === 4) view.setFloat32(0, number, true)
  else if (unit === 8) view.setFloat64(0, number, true)
  else report(assembly, 'E0501', 'floating-point numbers go with dd and dq', placeOf(value, tokens))
  for (let position = 0; position < unit; position++) bytes.push(position < 8 ? view.getUint8(position) : 0)
}

function pushNumber(
  bytes: number[],
  fixups: Fixup[],
  node: Expression,
  unit: number,
  tokens: readonly Token[],
  assembly: Assembly,
  scope: Scope,
): void {
  const value = evaluate(node, { tokens, scope, hint: null })
  let number = 0n
  if (value !== undefined && isKnown(value)) {
    const section = sectionOf(value)
    const distant = section === undefined ? distantDifference(value, assembly) : undefined
    if (distant !== undefined) {
      fixups.push({ at: bytes.length, bytes: unit, operand: DATA, relative: true, section: distant, value: value.constant, signed: true })
    } else if (section === undefined) {
      const isRegister = value.terms.some(term => term.register !== null)
      report(assembly, 'E0501', isRegister ? 'a register is no data' : 'this sum of addresses is no number', placeOf(node, tokens), {
        help: [
          isRegister
            ? 'data is fixed before the guest runs: reserve room here and store the register with `mov`'
            : 'one label plus or minus a number, or the difference of two labels of one section, is',
        ],
      })
    } else {
      number = resolve(value, assembly)
      if (section !== -1)
        fixups.push({ at: bytes.length, bytes: unit, operand: DATA, relative: false, section, value: number, signed: false })
      else warnOverflow(number, node, unit, tokens, assembly)
    }
  }
  if (unit > 8) {
    report(assembly, 'E0501', `numbers of ${unit} bytes are outside the dialect that vtick reads`, placeOf(node, tokens), {
      help: ['write the parts with dq, dd and dw'],
    })
  }
  const wrapped = BigInt.asUintN(64, number)
  const low = low32(wrapped)
  const high = unit > 4 ? high32(wrapped) : 0
  for (let position = 0; position < unit; position++)
    bytes.push(position < 4 ? (low >>> (8 * position)) & 0xff : position < 8 ? (high >>> (8 * (position - 4))) & 0xff : 0)
}

/** `other - here`: in an object file a distance that the linker can find; the section of `other`. */
function distantDifference({ terms }: Value, { section, format }: Assembly): number | undefined {
  if (section === null || terms.length !== 2 || (format !== 'elf64' && format !== 'elf32')) return undefined
  const here = terms.find(term => term.register === null && term.section === section.index && term.factor === -1n)
  const other = terms.find(term => term !== here && term.register === null && term.factor === 1n)
  return here && other?.section
}

function warnOverflow(value: bigint, node: Expression, unit: number, tokens: readonly Token[], assembly: Assembly): void {
  if (!assembly.final || unit >= 8) return
  const bits = BigInt(unit * 8)
  if (value >= -(1n << (bits - 1n)) && value < 1n << bits) return
  const seen = BigInt.asUintN(unit * 8, value).toString(16)
  report(
    assembly,
    'W0206',
    `the value does not fit into ${unit === 1 ? 'a byte' : `${unit} bytes`}: 0x${seen} stands there`,
    placeOf(node, tokens),
  )
}

/** A value that decides a number of bytes: known here, a plain number, and within bounds. */
export function countOf(node: Expression, tokens: readonly Token[], assembly: Assembly, scope: Scope, what: string, limit: number): number {
  assembly.critical = true
  const value = evaluate(node, { tokens, scope, hint: null })
  assembly.critical = false
  if (value === undefined || !isKnown(value)) return 0
  const span = placeOf(node, tokens)
  if (sectionOf(value) !== -1) {
    report(assembly, 'E0301', `${what} must be a plain number`, span, {
      help: ['an address is none: subtract `$$` or another label from it'],
    })
    return 0
  }
  if (value.constant < 0n) {
    report(assembly, 'E0502', `${what} is negative: ${value.constant}`, span, {
      help: what === 'the count of times' ? ['what should be padded is already longer than the total'] : [],
    })
    return 0
  }
  if (value.constant > BigInt(limit)) {
    report(assembly, 'E0602', `${what} is ${value.constant}; at most ${limit} are possible`, span)
    return 0
  }
  return Number(value.constant)
}

export function reserveSpace(node: ReserveNode, tokens: readonly Token[], assembly: Assembly, scope: Scope): void {
  const unit = unitOf(tokens[node.word]!)
  const count = countOf(node.count, tokens, assembly, scope, 'the size of the space', 0x4000_0000)
  const fits = reserve(assembly, count * unit, placeOf(node, tokens))
  if (fits && assembly.section !== null && !assembly.section.nobits && count > 0)
    report(assembly, 'W0501', 'space reserved among bytes is filled with zeros', placeOf(node, tokens), {
      help: ['`times n db 0` says the same without a warning'],
    })
}

export function includeBinary(node: IncbinNode, tokens: readonly Token[], assembly: Assembly, scope: Scope): void {
  const [name, skipNode, countNode] = node.values
  const span = placeOf(name!, tokens)
  if (name!.kind !== 'string') {
    report(assembly, 'E0502', 'incbin takes the name of a file in quotes', span)
    return
  }
  const file = tokens[name!.at]!.text.slice(1, -1)
  const bytes = assembly.readBinary(file, tokens[name!.at]!.source)
  if (bytes === undefined) {
    report(assembly, 'E0405', `the file \`${file}\` cannot be found`, span, { help: ['-I adds a folder to the search path'] })
    return
  }
  const skip = skipNode ? countOf(skipNode, tokens, assembly, scope, 'the offset into the file', 0xffff_ffff) : 0
  const count = countNode ? countOf(countNode, tokens, assembly, scope, 'the length', 0xffff_ffff) : bytes.length
  emit(assembly, bytes.subarray(skip, skip + count), span)
}
