/** The text of every form of the table assembles back to the same instruction, with NASM as the judge. */

import { describe, expect, it } from 'vitest'
import { decode } from '../../src/isa/decode.ts'
import { formatInstruction } from '../../src/isa/format.ts'
import type { Instruction } from '../../src/isa/instruction.ts'
import { followsOperandSize } from '../../src/isa/notation.ts'
import { INSTRUCTIONS } from '../../src/isa/table.ts'
import { formLines } from '../assembler/form-lines.ts'
import { hasNasm, nasm } from '../assembler/nasm.ts'
import { isFull, slice } from '../slice.ts'

type Bits = 16 | 32 | 64

function decoded(hex: string, bits: Bits): Instruction {
  const bytes = Buffer.from(hex, 'hex')
  const result = decode(index => bytes[index] ?? 0, { bits, stackSize: bits })
  if (typeof result === 'string') throw new Error(`${hex} is ${result}`)
  return result
}

/** What the instruction means, without the accidents of its encoding. */
function meaning(instruction: Instruction): unknown {
  const { row, size, addressSize, dst, src, third, repeat, lock, length, form } = instruction
  const operand = (value: Instruction['dst']): unknown => {
    if (value.kind === 'relative') return { ...value, value: value.value + BigInt(length) }
    if (value.kind !== 'memory') return value
    const { displacementBytes: _, ...rest } = value
    return value.base === 'rip' ? { ...rest, displacement: value.displacement + BigInt(length) } : rest
  }
  const operands = [dst, src, third].map(operand)
  if (row.mnemonic === 'XCHG') operands.sort((a, b) => (spelled(a) < spelled(b) ? -1 : 1)) // an exchange has no direction
  return {
    mnemonic: row.mnemonic,
    size: row.mnemonic !== 'NOP' && (followsOperandSize(form) || form.default64 || form.force64) ? size : 0,
    addressSize: form.operands.length > 0 ? addressSize : 0,
    operands,
    repeat,
    lock,
  }
}

const PREFIXED: Readonly<Record<Bits, readonly string[]>> = {
  16: ['rep movsb', 'repe cmpsw', 'o32 push es', 'fs lodsb', 'a32 stosd', 'o32 ret', 'lock add [bx], ax', 'push dword 5'],
  32: ['rep movsd', 'repne scasb', 'gs lodsd', 'a16 stosb', 'o16 leave', 'o16 ret', 'lock xchg [eax], ecx', 'push word -5', 'a16 loop $'],
  64: [
    'rep movsq',
    'repe cmpsb',
    'repne scasd',
    'fs lodsb',
    'a32 stosd',
    'o16 leave',
    'o16 push fs',
    'lock inc qword [rax]',
    'push word -5',
    'a32 loop $',
    'a32 mov eax, [abs 0x1234]',
    'mov eax, [nosplit rbp*2]',
    'mov eax, [nosplit rcx*1+4]',
    'mov rax, strict dword 5',
    'pause',
    'rep nop',
    'a32 xlatb',
    'fs xlatb',
  ],
}

/** Of a slice of the rows: `test/oracle/disassembly.test.ts` asks the same of more forms, byte by byte. */
function linesOf(bits: Bits): string[] {
  return [...slice(INSTRUCTIONS, 60).flatMap(row => formLines(row, bits)), ...PREFIXED[bits]]
}

describe.skipIf(!hasNasm)('with NASM as the judge (skipped without it)', () => {
  it.each([16, 32, 64] as const)('every form prints as text that assembles back to the same instruction, in %i-bit code', bits => {
    const first = nasm(withoutErrors(linesOf(bits), bits))
    expect([...first.errors]).toEqual([])
    // NASM lets SALC pass in 64-bit code, where the byte is undefined.
    const encodings = [...new Set(first.lines.values())].filter(hex => bits !== 64 || hex !== 'D6')
    expect(encodings.length).toBeGreaterThan(isFull ? 1000 : 100)
    const instructions = encodings.map(hex => decoded(hex, bits))
    const texts = instructions.map(instruction => formatInstruction(instruction))
    const second = nasm([`bits ${bits}`, ...texts].join('\n'))
    expect([...second.errors].map(([line, error]) => `${texts[line - 2]}: ${error}`)).toEqual([])
    const wrong = texts.flatMap((text, index) => {
      const again = decoded(second.lines.get(index + 2) ?? '', bits)
      return same(again, instructions[index]!)
        ? []
        : [`${encodings[index]} ${text} -> ${second.lines.get(index + 2)} ${formatInstruction(again)}`]
    })
    expect(wrong).toEqual([])
  })
})

const spelled = (value: unknown): string => JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part))
const same = (a: Instruction, b: Instruction): boolean => spelled(meaning(a)) === spelled(meaning(b))

/** The lines that NASM takes; it shows the errors of its later passes only when those of the earlier ones are gone. */
function withoutErrors(lines: readonly string[], bits: Bits): string {
  let rest = [`bits ${bits}`, ...lines]
  for (;;) {
    const { errors } = nasm(rest.join('\n'))
    if (errors.size === 0) return rest.join('\n')
    rest = rest.filter((_, index) => !errors.has(index + 1))
  }
}

describe('text for people', () => {
  const text = (hex: string, options: Parameters<typeof formatInstruction>[1] = {}) => formatInstruction(decoded(hex, 64), options)

  it('with an address, branch targets and RIP-relative operands are absolute', () => {
    expect(text('eb10', { address: 0x10_0000n })).toBe('jmp 0x100012')
    expect(text('488b0510000000', { address: 0x10_0000n })).toBe('mov rax, [rel 0x100017]')
  })

  it('a symbol takes the place of the address it names', () => {
    const symbol = (address: bigint) => (address === 0x10_0012n ? 'wait' : undefined)
    expect(text('eb10', { address: 0x10_0000n, symbol })).toBe('jmp wait')
    expect(text('eb11', { address: 0x10_0000n, symbol })).toBe('jmp 0x100013')
  })

  it('a size word stands where no register says the size', () => {
    expect(text('8300 05'.replace(' ', ''))).toBe('add dword [rax], 5')
    expect(text('d300')).toBe('rol dword [rax], cl')
    expect(text('0fb600')).toBe('movzx eax, byte [rax]')
    expect(text('4889442408')).toBe('mov [rsp+8], rax')
  })

  it('small negative immediates are negative, others patterns of bits', () => {
    expect(text('4883c4f8')).toBe('add rsp, -8')
    expect(text('25ff0f0000')).toBe('and eax, 0xfff')
    expect(text('a820')).toBe('test al, 0x20')
    expect(text('3cff')).toBe('cmp al, -1')
  })
})
