/** Operands of the syntax tree to what the encoder takes. */

import type { EncodeFar, EncodeImmediate, EncodeMemory, EncodeOperand } from '../isa/encode.ts'
import type { SegmentIndex } from '../isa/operands.ts'
import { addressParts } from './address.ts'
import type { Leaf, MemoryNode, OperandNode } from './ast.ts'
import { type BaseHint, type Evaluation, evaluate, placeOf, type Scope } from './evaluate.ts'
import { registerNamed } from './registers.ts'
import type { Assembly } from './state.ts'
import type { Token } from './tokens.ts'
import { inSection, isKnown, NO_SECTION, sectionOf, type Value } from './value.ts'

const SIZES: Readonly<Record<string, number>> = { byte: 8, word: 16, dword: 32, qword: 64, tword: 80, oword: 128, yword: 256, zword: 512 }

interface Words {
  size: number
  strict: boolean
  distance: 'short' | 'near' | 'far' | null
}

/** Address size that the prefixes a16, a32, a64 ask for; 0 for none. */
type AskedSize = 0 | 16 | 32 | 64

export function operandOf(
  node: OperandNode,
  tokens: readonly Token[],
  assembly: Assembly,
  scope: Scope,
  asked: AskedSize,
): EncodeOperand | undefined {
  const words = readWords(node, tokens)
  const evaluation: Evaluation = { tokens, scope, hint: null }
  const { value } = node
  if (value.kind === 'memory') return memoryOf(value, words, evaluation, assembly, asked)
  if (value.kind === 'far') {
    const selector = evaluate(value.selector, evaluation)
    const offset = evaluate(value.offset, evaluation)
    if (selector === undefined || offset === undefined) return undefined
    if (!isPlain(selector) || !isPlain(offset)) return badValue(node, evaluation)
    const far: EncodeFar = {
      kind: 'far',
      size: words.size as EncodeFar['size'],
      selector: resolve(selector, assembly),
      offset: resolve(offset, assembly),
      symbolic: isSymbolic(offset),
      section: homeOf(offset),
    }
    return far
  }
  assembly.touched = false
  const result = evaluate(value.value, evaluation)
  if (result === undefined) return undefined
  noteVolatile(result, assembly)
  if (value.value.kind === 'register') return registerOf(node, value.value, words, evaluation)
  if (!isPlain(result)) return badValue(node, evaluation)
  return immediateOf(result, words, assembly)
}

const NO_WORDS: readonly string[] = []
const PLAIN: Readonly<Words> = { size: 0, strict: false, distance: null }

function readWords(node: OperandNode, tokens: readonly Token[]): Readonly<Words> {
  if (node.words.length === 0) return PLAIN
  const words: Words = { size: 0, strict: false, distance: null }
  for (const at of node.words) {
    const text = tokens[at]!.text.toLowerCase()
    if (text === 'strict') words.strict = true
    else if (text in SIZES) words.size = SIZES[text]!
    else words.distance = text as Words['distance']
  }
  return words
}

/** An address is encoded at full size whatever it is; a number that comes from labels may take another size when they move. */
function noteVolatile(value: Value, assembly: Assembly): void {
  if (!assembly.touched) return
  assembly.stable = false
  if (!isKnown(value) || !value.terms.some(term => term.register === null)) assembly.volatile = true
}

/** A number or an address, without registers. */
const isPlain = (value: Value): boolean => !isKnown(value) || sectionOf(value) !== undefined

const isSymbolic = (value: Value): boolean => !isKnown(value) || value.terms.length > 0

const homeOf = (value: Value): number => sectionOf(value) ?? NO_SECTION

/** The number that a plain value will be, with the section's base as far as it is known; what is elsewhere counts from zero. */
export function resolve(value: Value, assembly: Assembly): bigint {
  const section = sectionOf(value) ?? NO_SECTION
  return section < 0 ? value.constant : value.constant + BigInt(assembly.sections[section]!.base)
}

function badValue(node: OperandNode, { tokens, scope }: Evaluation): undefined {
  scope.report('E0304', 'registers can be added only inside brackets', placeOf(node, tokens), {
    help: ['`lea` computes such a sum: `lea rax, [rax+1]`; a sum of two labels has no meaning'],
  })
  return undefined
}

function registerOf(node: OperandNode, leaf: Leaf, words: Words, { tokens, scope }: Evaluation): EncodeOperand | undefined {
  const register = registerNamed(tokens[leaf.at]!.text)!
  if (words.size !== 0 && register.size !== 0 && words.size !== register.size) {
    scope.report('E0203', `\`${register.name}\` is a ${register.size}-bit register`, placeOf(node, tokens), {
      help: ['leave the size word away: a register has its own size'],
    })
    return undefined
  }
  const { kind, size, index, high } = register
  if (kind === 'unsupported') return undefined
  return { kind, size, index, high }
}

/** What the first pass takes a name for that is defined further down: as NASM, for a number that fits wherever one may be short. */
const HOPED = 1n

function immediateOf(value: Value, { size, strict, distance }: Words, assembly: Assembly): EncodeImmediate {
  const isHoped = !isKnown(value) && !strict
  const reach = !isKnown(value) ? 'unknown' : sectionOf(value) === assembly.section?.index ? 'measured' : 'elsewhere'
  return {
    kind: 'immediate',
    value: isHoped ? HOPED : resolve(value, assembly),
    size: size as EncodeImmediate['size'],
    strict,
    symbolic: !isHoped && isSymbolic(value),
    distance,
    reach,
    section: homeOf(value),
  }
}

function memoryOf(node: MemoryNode, words: Words, evaluation: Evaluation, assembly: Assembly, asked: AskedSize): EncodeMemory | undefined {
  const { tokens, scope } = evaluation
  const hint: BaseHint = { kind: 'none', register: '' }
  assembly.touched = false
  const sum = evaluate(node.address, { ...evaluation, hint })
  if (sum === undefined) return undefined
  const value = isKnown(sum) ? sum : registersOf(sum)
  noteVolatile(value, assembly)
  const inside = node.words.length === 0 ? NO_WORDS : node.words.map(at => tokens[at]!.text.toLowerCase())
  const parts = addressParts(value, hint, inside.includes('nosplit'))
  if (parts.kind === 'problem') {
    scope.report('E0207', parts.text, placeOf(node.address, tokens), { help: parts.help === '' ? [] : [parts.help] })
    return undefined
  }
  const segment = node.segment === null ? -1 : (registerNamed(tokens[node.segment]!.text)!.index as SegmentIndex)
  const displacementSize = inside.length === 0 ? 0 : (inside.map(word => SIZES[word] ?? 0).find(size => size !== 0) ?? 0)
  const { bits } = assembly
  const addressSize = addressSizeOf(parts.size, displacementSize, asked, bits)
  if ((bits === 64 && addressSize === 16) || (bits !== 64 && addressSize === 64)) {
    scope.report('E0205', `${addressSize}-bit addresses do not exist in ${bits}-bit code`, placeOf(node.address, tokens), {
      help: bits === 64 ? [] : ['a `bits 64` line switches to 64-bit code'],
    })
    return undefined
  }
  const reach = reachOf(node, inside, value, parts.size !== 0, segment, evaluation, assembly)
  const registerless = parts.size === 0
  const section = value.terms.find(term => term.register === null)?.section
  // An address that was to be relative and cannot be takes the ModRM form, never MOV's short one.
  const asked8 = reach === 'absolute-instead' ? 4 : displacementSize === 64 && bits === 64 ? 8 : 0
  return {
    kind: 'memory',
    size: words.size as EncodeMemory['size'],
    far: words.distance === 'far',
    segment,
    addressSize,
    base: reach === 'relative' ? 'rip' : (parts.base?.index ?? -1),
    index: parts.index?.index ?? -1,
    scale: parts.scale,
    displacement: resolve(section === undefined ? value : inSection(section, value.constant), assembly),
    displacementBytes: registerless ? asked8 : displacementBytes(displacementSize, addressSize),
    symbolic: !isKnown(value) || section !== undefined,
    section: section ?? NO_SECTION,
  }
}

/** Of an address whose number is not known, the registers at least. */
const registersOf = (value: Value): Value => ({ ...value, terms: value.terms.filter(({ register }) => register !== null) })

function addressSizeOf(registers: number, displacement: number, asked: AskedSize, bits: 16 | 32 | 64): 16 | 32 | 64 {
  if (registers !== 0) return registers as 16 | 32 | 64
  if (asked !== 0) return asked
  // In 64-bit code `[dword x]` is an ordinary 32-bit displacement.
  if (displacement === 16 || displacement === 32 || displacement === 64) return displacement === 32 && bits === 64 ? 64 : displacement
  return bits
}

const displacementBytes = (size: number, addressSize: number): 0 | 1 | 2 | 4 =>
  size === 0 ? 0 : size === 8 ? 1 : addressSize === 16 ? 2 : 4

/** Whether the address is encoded relative to RIP: asked for by `rel` or `default rel`, and possible. */
function reachOf(
  node: MemoryNode,
  inside: readonly string[],
  value: Value,
  hasRegisters: boolean,
  segment: number,
  { tokens, scope }: Evaluation,
  assembly: Assembly,
): 'absolute' | 'relative' | 'absolute-instead' {
  if (assembly.bits !== 64 || inside.includes('abs')) return 'absolute'
  const asked = inside.includes('rel')
  if (hasRegisters) {
    if (asked) scope.report('W0503', 'an address with registers cannot be RIP-relative: `rel` does nothing', placeOf(node, tokens))
    return 'absolute'
  }
  const wanted = asked || (assembly.relative && segment < 4)
  if (!wanted) {
    if (assembly.pass === 1 && segment < 4) assembly.tookAbsolute = true
    return 'absolute'
  }
  // NASM takes a name that is not defined yet for an absolute address, a byte longer: jumps over it may stay near for that.
  if (!isKnown(value)) return 'absolute-instead'
  if (sectionOf(value) !== NO_SECTION) return 'relative'
  scope.report('W0503', 'an absolute address cannot be RIP-relative', placeOf(node, tokens), {
    help: ['write `[abs ...]` to say that it is meant'],
  })
  return 'absolute-instead'
}
