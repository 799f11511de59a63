/**
 * The texts that people read, judged by iced-x86: assembled again, a text must be to iced what the bytes were, in mnemonic and operands,
 * though its encoding may be a shorter one.
 */

import { describe, expect, it } from 'vitest'
import { assemble } from '../../src/assembler/assemble.ts'
import { formatInstruction } from '../../src/isa/format.ts'
import { isFull } from '../slice.ts'
import { IcedReader, type Reading, readWithOurs } from './iced.ts'
import { canonical, compareReadings, randomBytes } from './iced-compare.ts'
import { widened } from './iced-exceptions.ts'
import type { Bits } from './instructions.ts'

const COUNT = isFull ? 60_000 : 2_000
const SEED = 23

interface Sample {
  readonly bytes: Uint8Array
  readonly text: string
  readonly meaning: Reading
}

/** Instructions that have no text of their own, or whose text is another instruction of the same effect. */
const EXCEPTIONS: readonly { readonly name: string; readonly reason: string; readonly applies: (sample: Sample, bits: Bits, again: Reading | null) => boolean }[] = [
  {
    name: 'refused',
    reason: 'NASM has no way to write it: MOVSXD that does not widen, a register that does not exist, MPX’s prefix, instructions outside their mode; nor a segment prefix without effect, without which a short branch may not reach',
    applies: ({ text }, bits, again) =>
      again === null &&
      (/^((a32 )?movsxd|(loop\w*|j\w+) \$\+0x8\d|repne (call|jmp|ret|j)|(rdpkru|wrpkru|wrmsrns|salc|bswap)\b)|\b(cr\d+|dr\d+)\b|^mov cs,|^(o16|o32|o64|rep|repne|lock) /.test(text) ||
        bits !== 64),
  },
  {
    name: 'selector size',
    reason: 'a selector has 16 bits: iced names its register by an operand size that no text needs',
    applies: ({ meaning }, _, again) =>
      again !== null &&
      /^(ARPL|LAR|LSL|LLDT|LTR|STR|SLDT|VERR|VERW|LMSW|MOV|MOVMSKP[SD]|PMOVMSKB|PEXTRW|PINSRW)$/.test(meaning.mnemonic) &&
      meaning.operands.map(widened).join() === again.operands.map(widened).join(),
  },
  {
    name: 'exchange',
    reason: 'an exchange has no direction, and that of a register with itself may be NOP',
    applies: ({ meaning }, _, again) => again !== null && /^(XCHG|NOP|TEST)$/.test(meaning.mnemonic),
  },
]

const same = (a: Reading, b: Reading): boolean => canonical(a.mnemonic) === canonical(b.mnemonic) && a.operands.join() === b.operands.join()

function samples(bits: Bits): Sample[] {
  const iced = new IcedReader(bits)
  const found: Sample[] = []
  for (const bytes of randomBytes(SEED + bits, COUNT)) {
    const ours = readWithOurs(bytes, bits)
    const meaning = iced.read(bytes)
    if (ours.instruction === null || compareReadings(bytes, bits, ours, meaning) !== null) continue
    found.push({ bytes, text: formatInstruction(ours.instruction), meaning })
  }
  return found
}

/** What iced says of each text's bytes; null where the assembler refuses the text. */
function readAgain(all: readonly Sample[], bits: Bits): readonly (Reading | null)[] {
  const iced = new IcedReader(bits)
  const answers: (Reading | null)[] = all.map(() => null)
  let open = all.map((sample, index) => ({ text: sample.text, index }))
  for (;;) {
    const { image, diagnostics } = assemble([`bits ${bits}`, ...open.map(({ text }) => text)].join('\n'), { file: 'texts.asm' })
    if (image !== undefined) {
      for (const { line, address, length } of image.lines)
        answers[open[line - 2]!.index] = iced.read(Uint8Array.from({ length: 16 }, (_, at) => (at < length ? image.bytes[address + at]! : 0)))
      return answers
    }
    const wrong = new Set(diagnostics.filter(({ severity }) => severity === 'error').map(({ span }) => span.line - 2))
    open = open.filter((_, index) => !wrong.has(index))
  }
}

const used = new Set<string>()

describe(`${COUNT} random byte strings with seed ${SEED}`, () => {
  it.each([16, 32, 64] as const)('have texts that mean to iced-x86 what the bytes do, in %i-bit code', { timeout: 600_000 }, bits => {
    const all = samples(bits)
    expect(all.length).toBeGreaterThan(COUNT / 4)
    const again = readAgain(all, bits)
    const wrong = all.flatMap((sample, index) => {
      const reading = again[index]!
      if (reading !== null && same(sample.meaning, reading)) return []
      const listed = EXCEPTIONS.find(({ applies }) => applies(sample, bits, reading))
      if (listed !== undefined) used.add(listed.name)
      return listed !== undefined ? [] : [`${Buffer.from(sample.bytes).toString('hex')} ${sample.text}: ${sample.meaning.mnemonic} ${sample.meaning.operands.join(', ')} / ${reading === null ? 'refused' : `${reading.mnemonic} ${reading.operands.join(', ')}`}`]
    })
    expect(wrong).toEqual([])
  })

  it.runIf(isFull)('show every exception that is listed', () => {
    expect(EXCEPTIONS.filter(({ name }) => !used.has(name)).map(({ name }) => name)).toEqual([])
  })
})
