/** Source lines for every form of the instruction table: operand sizes, register classes, addressing modes, edge values. */

import type { InstructionRow } from '../../src/isa/instruction.ts'
import type { Form, OperandSpec } from '../../src/isa/notation.ts'

type Bits = 16 | 32 | 64

const REGISTERS: Readonly<Record<number, readonly string[]>> = {
  8: ['al', 'cl', 'bh', 'spl', 'dil', 'r9b', 'r13b'],
  16: ['ax', 'cx', 'bp', 'r8w', 'r12w'],
  32: ['eax', 'ecx', 'ebp', 'r8d', 'r13d'],
  64: ['rax', 'rcx', 'rsp', 'r9', 'r12'],
}

const MEMORY: Readonly<Record<Bits, readonly string[]>> = {
  16: ['[bx]', '[bp]', '[bx+si+5]', '[bp+di-200]', '[0x1234]', '[fs:di]', '[eax+ecx*4+8]', '[ebp]'],
  32: ['[eax]', '[ebp]', '[esp]', '[ebx+esi*8]', '[edi-128]', '[edi+128]', '[ecx*4]', '[gs:0x1234]', '[bx+si]', '[ebp+ebp*2]'],
  64: [
    '[rax]',
    '[rbp]',
    '[rsp]',
    '[r12]',
    '[r13]',
    '[rbx+r10*8-128]',
    '[r13+rax+128]',
    '[rcx*4+16]',
    '[rel $+100]',
    '[abs 0x1234]',
    '[fs:0x28]',
    '[ebx+ecx*2]',
    '[rdx*2]',
    '[rdi*5+1]',
  ],
}

const WORDS: Readonly<Record<number, string>> = { 8: 'byte', 16: 'word', 32: 'dword', 64: 'qword', 80: 'tword', 128: 'oword', 256: 'yword' }

const VALUES: Readonly<Record<number, readonly string[]>> = {
  8: ['0', '1', '127', '-128', '255'],
  16: ['5', '-1', '127', '128', '-129', '0xFF80', '0x1234'],
  32: ['5', '-128', '128', '0xFFFFFF80', '0x7FFFFFFF', '0x80000000'],
  64: ['5', '-128', '128', '0x7FFFFFFF', '-0x80000000'],
}

const SPECIAL: Readonly<Record<string, readonly string[]>> = {
  sreg: ['ds', 'es', 'fs', 'ss'],
  cr: ['cr0', 'cr3', 'cr4'],
  dr: ['dr0', 'dr7'],
  rel: ['$', '$+50', '$-100', '$+1000', 'short $+20', 'near $+20'],
  xmm: ['xmm0', 'xmm7', 'xmm11'],
  xmmrm: ['xmm1', 'xmm15'],
  ptr: ['8:0x1234', '0xFFFF:0'],
}

const fits = (name: string, bits: Bits): boolean => bits === 64 || !/^(r\d|r[a-z]x|r[sbi]p|r[sd]i|spl|dil|xmm1\d)/.test(name)

/** The texts that a person might write for one operand at one operand size. */
function samples(spec: OperandSpec, size: 16 | 32 | 64, bits: Bits): readonly string[] {
  const width = spec.size === 'operand' ? size : spec.size === 'native' ? (bits === 64 ? 64 : 32) : spec.size
  const registers = (REGISTERS[width] ?? []).filter(name => fits(name, bits))
  const memory = MEMORY[bits].map(address => (width === 0 ? address : `${WORDS[width]} ${address}`))
  switch (spec.kind) {
    case 'register':
      return registers
    case 'memory':
      return memory
    case 'register-or-memory':
      return [...registers, ...memory, MEMORY[bits][0]!]
    case 'xmm-or-memory':
      return [...SPECIAL.xmm!.filter(name => fits(name, bits)), ...memory, MEMORY[bits][0]!]
    case 'immediate':
      return width === 8 && spec.signed ? [...VALUES[size]!, 'byte 5'] : (VALUES[width] ?? [])
    case 'moffs':
      return bits === 64 ? ['[abs 0x1234]', '[qword 0x1122334455667788]'] : ['[0x1234]']
    case 'fixed-register':
      return [
        ['al', 'cl'][spec.fixed] && width === 8
          ? ['al', 'cl'][spec.fixed]!
          : `${width === 64 ? 'r' : width === 32 ? 'e' : ''}${['ax', 'cx', 'dx'][spec.fixed]}`,
      ]
    case 'fixed-segment':
      return [['es', 'cs', 'ss', 'ds', 'fs', 'gs'][spec.fixed]!]
    case 'fixed-value':
      return [String(spec.fixed)]
    default:
      return (SPECIAL[spec.text] ?? []).filter(name => fits(name, bits))
  }
}

/** Lines of one form: every sample of each operand beside the first ones of the others, and some pairs. */
function linesOfForm(mnemonic: string, form: Form, bits: Bits): string[] {
  const lines = new Set<string>()
  for (const size of bits === 64 ? ([16, 32, 64] as const) : ([16, 32] as const)) {
    const choices = form.operands.map(spec => samples(spec, size, bits))
    if (choices.some(choice => choice.length === 0)) continue
    if (choices.length === 0) lines.add(mnemonic)
    for (const [position, choice] of choices.entries()) {
      for (const [index, sample] of choice.entries()) {
        for (const shift of [0, 1, 3]) {
          const operands = choices.map((others, other) => (other === position ? sample : others[(index * shift + shift) % others.length]!))
          lines.add(`${mnemonic} ${operands.join(', ')}`)
        }
      }
    }
  }
  return [...lines]
}

export const formLines = (row: InstructionRow, bits: Bits): string[] => [
  ...new Set(
    [row.mnemonic, ...row.aliases].flatMap((name, index) =>
      row.forms.flatMap(form => linesOfForm(name.toLowerCase(), form, bits).slice(0, index === 0 ? 10_000 : 3)),
    ),
  ),
]
