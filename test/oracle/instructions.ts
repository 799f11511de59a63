/**
 * The instructions that are compared with NASM: every form of the table in every mode and operand size, with each register class,
 * addressing mode and edge value in each operand, prefixes where they mean something. Made anew each time, in one fixed order.
 */

import type { EncodeImmediate, EncodeMemory, EncodeOperand, EncodePrefixes } from '../../src/isa/encode.ts'
import { NO_PREFIXES } from '../../src/isa/encode.ts'
import type { InstructionRow } from '../../src/isa/instruction.ts'
import type { Form, OperandSpec } from '../../src/isa/notation.ts'
import { INSTRUCTIONS } from '../../src/isa/table.ts'

export type Bits = 16 | 32 | 64

export interface Sample {
  readonly bits: Bits
  readonly row: InstructionRow
  /** The mnemonic as written: the row's or an alias. */
  readonly name: string
  readonly operands: readonly EncodeOperand[]
  readonly prefixes: EncodePrefixes
}

type Size = EncodeMemory['size']

/** Low and high registers, the ones that look special in an encoding, and those that need REX. */
const REGISTERS: Readonly<Record<8 | 16 | 32 | 64, readonly number[]>> = { 8: [0, 1, 5, 7, 9, 13], 16: [0, 1, 5, 8, 12], 32: [0, 1, 5, 8, 13], 64: [0, 1, 4, 9, 12] }
const LEGACY_REGISTERS: Readonly<Record<8 | 16 | 32 | 64, readonly number[]>> = { 8: [0, 1, 2, 3], 16: [0, 1, 4, 5, 7], 32: [0, 1, 4, 5, 6], 64: [] }

type Place = readonly [addressSize: Bits, base: number | 'rip', index: number, scale: 1 | 2 | 4 | 8, displacement: bigint, segment?: number]

const PLACES: Readonly<Record<Bits, readonly Place[]>> = {
  16: [
    [16, 3, -1, 1, 0n],
    [16, 5, -1, 1, 0n],
    [16, 3, 6, 1, 5n],
    [16, 5, 7, 1, -200n],
    [16, 6, -1, 1, 127n],
    [16, 7, -1, 1, 128n],
    [16, -1, -1, 1, 0x1234n],
    [16, 7, -1, 1, 0n, 4],
    [32, 0, 1, 4, 8n],
    [32, 5, -1, 1, 0n],
  ],
  32: [
    [32, 0, -1, 1, 0n],
    [32, 5, -1, 1, 0n],
    [32, 4, -1, 1, 0n],
    [32, 3, 6, 8, 0n],
    [32, 7, -1, 1, -128n],
    [32, 7, -1, 1, 128n],
    [32, -1, 1, 4, 0n],
    [32, -1, -1, 1, 0x1234n, 5],
    [32, 5, 5, 2, 0n],
    [32, 4, 0, 1, 0x1234_5678n],
    [16, 3, 6, 1, 0n],
  ],
  64: [
    [64, 0, -1, 1, 0n],
    [64, 5, -1, 1, 0n],
    [64, 4, -1, 1, 0n],
    [64, 12, -1, 1, 0n],
    [64, 13, -1, 1, 0n],
    [64, 3, 10, 8, -128n],
    [64, 13, 0, 1, 128n],
    [64, -1, 1, 4, 16n],
    [64, 'rip', -1, 1, 100n],
    [64, -1, -1, 1, 0x1234n],
    [64, -1, -1, 1, 0x28n, 4],
    [32, 3, 1, 2, 0n],
    [64, 15, 14, 2, -0x1234_5678n],
    [32, 12, -1, 1, 127n],
  ],
}

/** Values around the borders of what bytes, words and doublewords hold. */
const VALUES: Readonly<Record<number, readonly bigint[]>> = {
  8: [0n, 1n, 127n, -128n, 255n],
  16: [5n, -1n, 127n, 128n, -129n, 0xff80n, 0x1234n],
  32: [5n, -128n, 128n, 0xffff_ff80n, 0x7fff_ffffn, 0x8000_0000n],
  64: [5n, -128n, 128n, 0x7fff_ffffn, -0x8000_0000n],
}
const WIDE_VALUES: readonly bigint[] = [0xffff_ffffn, 0x1_0000_0000n, 0x1122_3344_5566_7788n]

const plain = (value: bigint, more: Partial<EncodeImmediate> = {}): EncodeImmediate => ({
  kind: 'immediate',
  value,
  size: 0,
  strict: false,
  symbolic: false,
  distance: null,
  reach: 'measured',
  ...more,
})

const memory = (size: Size, place: Place, far = false): EncodeMemory => {
  const [addressSize, base, index, scale, displacement, segment] = place
  return {
    kind: 'memory',
    size,
    far,
    segment: (segment ?? -1) as EncodeMemory['segment'],
    addressSize,
    base,
    index,
    scale,
    displacement,
    displacementBytes: 0,
    symbolic: base === 'rip',
  }
}

const register = (kind: 'register' | 'segment' | 'control' | 'debug' | 'xmm' | 'ymm', size: 0 | 8 | 16 | 32 | 64 | 128 | 256, index: number, high = false): EncodeOperand => ({ kind, size, index, high })

function registersOf(size: 8 | 16 | 32 | 64, bits: Bits): EncodeOperand[] {
  const indices = bits === 64 ? REGISTERS[size] : LEGACY_REGISTERS[size]
  const all = indices.map(index => register('register', size, index))
  return size === 8 ? [...all, register('register', 8, 1, true), register('register', 8, 3, true)] : all
}

const vectors = (kind: 'xmm' | 'ymm', bits: Bits): EncodeOperand[] =>
  (bits === 64 ? [0, 7, 9, 15] : [0, 3, 7]).map(index => register(kind, kind === 'xmm' ? 128 : 256, index))

/** With and without the size written, except where only one can be meant. */
function memoriesOf(size: Size, bits: Bits, far = false): EncodeOperand[] {
  const sized = PLACES[bits].map(place => memory(size, place, far))
  return size === 0 ? sized : [...sized, memory(0, PLACES[bits][0]!, far), memory(0, PLACES[bits][3]!, far)]
}

const branchTargets = (): EncodeOperand[] => [
  ...[0n, 50n, -100n, 129n, 130n, 1000n].map(value => plain(value, { symbolic: true })),
  plain(20n, { symbolic: true, distance: 'short' }),
  plain(20n, { symbolic: true, distance: 'near' }),
]

function immediates(spec: OperandSpec, size: 16 | 32 | 64, width: number, form: Form): EncodeOperand[] {
  if (!(spec.signed && width === 8)) return (form.immediates.includes('iv') && width === 64 ? [...VALUES[64]!, ...WIDE_VALUES] : VALUES[width]!).map(value => plain(value))
  return [...VALUES[size]!.map(value => plain(value)), plain(5n, { size: 8 })]
}

/** What a person might write for one operand at one operand size. */
function choices(spec: OperandSpec, size: 16 | 32 | 64, bits: Bits, form: Form): readonly EncodeOperand[] {
  const width = spec.size === 'operand' ? size : spec.size === 'native' ? (bits === 64 ? 64 : 32) : spec.size
  const registers = () => (width === 8 || width === 16 || width === 32 || width === 64 ? registersOf(width, bits) : [])
  switch (spec.kind) {
    case 'register':
      return registers()
    case 'memory':
      return memoriesOf(width as Size, bits)
    case 'far-memory':
      return memoriesOf(width as Size, bits, true)
    case 'register-or-memory':
      return [...registers(), ...memoriesOf(width as Size, bits)]
    case 'xmm':
    case 'ymm':
      return vectors(spec.kind, bits)
    case 'xmm-or-memory':
      return [...vectors('xmm', bits), ...memoriesOf(width as Size, bits)]
    case 'ymm-or-memory':
      return [...vectors('ymm', bits), ...memoriesOf(width as Size, bits)]
    case 'immediate':
      return immediates(spec, size, width as number, form)
    case 'relative':
      return branchTargets()
    case 'moffs': {
      const short = memory(width as Size, [bits, -1, -1, 1, 0x1234n])
      return bits === 64 ? [short, { ...short, displacement: 0x1122_3344_5566_7788n, displacementBytes: 8 }] : [short]
    }
    case 'far':
      return [0x1234n, 0xffffn].flatMap(offset => ([0, size] as const).map(asked => ({ kind: 'far', size: asked === 64 ? 0 : asked, selector: 8n, offset, symbolic: false }) as const))
    case 'segment':
      return [0, 2, 3, 4, 5].map(index => register('segment', 16, index))
    case 'control':
      return (bits === 64 ? [0, 2, 3, 4, 8] : [0, 2, 3, 4]).map(index => register('control', 0, index))
    case 'debug':
      return [0, 1, 6, 7].map(index => register('debug', 0, index))
    case 'fixed-register':
      return [register('register', width as 8, spec.fixed)]
    case 'fixed-segment':
      return [register('segment', 16, spec.fixed)]
    case 'fixed-value':
      return [plain(BigInt(spec.fixed))]
  }
}

/** Each choice of each operand beside several of the others'. */
function* combinations(all: readonly (readonly EncodeOperand[])[]): Generator<readonly EncodeOperand[]> {
  if (all.length === 0) yield []
  for (const [position, options] of all.entries()) {
    for (const [index, option] of options.entries()) {
      for (const shift of all.length === 1 ? [0] : [0, 1, 2, 5])
        yield all.map((others, other) => (other === position ? option : others[(index * shift + shift) % others.length]!))
    }
  }
}

const key = (operands: readonly EncodeOperand[]): string => JSON.stringify(operands, (_, value) => (typeof value === 'bigint' ? `${value}n` : value))

function* samplesOfForm(row: InstructionRow, name: string, form: Form, bits: Bits, seen: Set<string>): Generator<Sample> {
  for (const size of bits === 64 ? ([16, 32, 64] as const) : ([16, 32] as const)) {
    const all = form.operands.map(spec => choices(spec, size, bits, form))
    if (all.some(options => options.length === 0)) continue
    for (const operands of combinations(all)) {
      const text = key(operands)
      if (seen.has(text)) continue
      seen.add(text)
      yield { bits, row, name, operands, prefixes: NO_PREFIXES }
    }
  }
}

/** LOCK on memory destinations, REP and overrides on string instructions, sizes where operands do not say them. */
function* prefixed(sample: Sample): Generator<Sample> {
  const { row, operands, bits } = sample
  const others = (changes: Partial<EncodePrefixes>): Sample => ({ ...sample, prefixes: { ...NO_PREFIXES, ...changes } })
  if (row.prefixes.includes('lock') && operands[0]?.kind === 'memory' && operands[0].size !== 0) yield others({ lock: true })
  if (operands.length !== 0 || !row.prefixes.some(prefix => prefix !== 'lock')) return
  yield others({ repeat: 0xf3 })
  if (row.prefixes.includes('repe')) yield others({ repeat: 0xf2 })
  yield others({ addressSize: bits === 32 ? 16 : 32 })
  yield others({ repeat: 0xf3, segment: 4 })
}

/** Every instruction of a row, refused ones among them: both assemblers must refuse the same. */
export function* samplesOfRow(row: InstructionRow, bits: Bits): Generator<Sample> {
  for (const [index, name] of [row.mnemonic, ...row.aliases].entries()) {
    const seen = new Set<string>()
    let count = 0
    for (const form of row.forms) {
      if (form.decodeOnly) continue
      for (const sample of samplesOfForm(row, name, form, bits, seen)) {
        if (index > 0 && count++ >= 8) break
        yield sample
        if (index === 0) yield* prefixed(sample)
      }
    }
  }
}

export const instructionSamples = (bits: Bits): Sample[] => INSTRUCTIONS.flatMap(row => [...samplesOfRow(row, bits)])
