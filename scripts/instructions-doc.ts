/**
 * Writes `docs/instructions.md` from the instruction table: for each instruction its encodings, flags, prefixes, the CPUID feature it
 * needs, whether it may leave a guest, and its operation as printed from its `execute`. A test compares the file with this.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Size } from '../src/base/u64.ts'
import type { Instruction, InstructionRow } from '../src/isa/instruction.ts'
import type { Form, OperandSpec } from '../src/isa/notation.ts'
import { gpr, type MemoryOperand, NONE, type Operand, type SpecialOperand } from '../src/isa/operands.ts'
import { pseudocode } from '../src/isa/pseudocode.ts'
import { INSTRUCTIONS } from '../src/isa/table.ts'
import { VMX_CONTROLS } from '../src/spec/vmx-controls.ts'

const FILE = join(import.meta.dirname, '../docs/instructions.md')
/** Operations that unroll into more lines than a person reads are cut. */
const MOST_LINES = 36

/** Exits that one control does not decide (Intel SDM, "Instructions That Cause VM Exits Conditionally"). */
const EXITS_BY_RULE: Readonly<Record<string, string>> = {
  RDMSR: 'where the MSR bitmaps say so, or without them',
  WRMSR: 'where the MSR bitmaps say so, or without them',
  WRMSRNS: 'where the MSR bitmaps say so, or without them',
  IN: 'by unconditional I/O exiting or the I/O bitmaps',
  OUT: 'by unconditional I/O exiting or the I/O bitmaps',
  MOV: 'to and from CR0, CR3, CR4 and CR8 by masks and CR3/CR8 exiting; to and from debug registers by MOV-DR exiting',
  CLTS: 'where the guest does not own CR0.TS and its shadow has it set',
  LMSW: 'where it would change a bit of CR0 that the guest does not own',
  XSETBV: 'always, after the check that XSAVE is enabled',
  INVPCID: 'by INVLPG exiting where INVPCID is enabled',
  XSAVES: 'where the XSS-exiting bitmap asks for it',
  XRSTORS: 'where the XSS-exiting bitmap asks for it',
  VMFUNC: 'for functions that are not enabled or fail',
  INT1: 'by bit 1 of the exception bitmap',
  INT3: 'by bit 3 of the exception bitmap',
  INTO: 'by bit 4 of the exception bitmap',
  BOUND: 'by bit 5 of the exception bitmap',
  UD0: 'by bit 6 of the exception bitmap',
  UD1: 'by bit 6 of the exception bitmap',
  UD2: 'by bit 6 of the exception bitmap',
  RSM: 'by bit 6 of the exception bitmap: it is undefined outside system-management mode',
}
for (const name of ['INSB', 'INSW', 'INSD', 'OUTSB', 'OUTSW', 'OUTSD']) Object.assign(EXITS_BY_RULE, { [name]: EXITS_BY_RULE.IN })

function exitText({ mnemonic, intercept }: InstructionRow): string {
  if (intercept === null) return EXITS_BY_RULE[mnemonic.replace(/64$/, '')] ?? ''
  const [control, reason] = intercept
  const when = control === 'always' ? 'always' : `with “${VMX_CONTROLS[control].sdm}”`
  return `${when} (\`${reason}\`)`
}

/** An operand of the kind that a form wants; a register that no instruction uses implicitly. */
function exampleOperand(spec: OperandSpec, size: Size, inMemory: boolean, position: number): Operand {
  const width = spec.size === 'operand' || spec.size === 'native' ? size : spec.size
  const register = (): Operand => ({ ...gpr(width as Size, 8 + position) })
  const special = (kind: SpecialOperand['kind']): Operand => ({ kind, size: kind === 'ymm' ? 256 : 128, index: 8 + position })
  const memory = (): MemoryOperand => ({
    kind: 'memory',
    size: width,
    segment: 3,
    addressSize: 64,
    base: 9,
    index: -1,
    scale: 1,
    displacement: 0n,
    displacementBytes: 0,
  })
  switch (spec.kind) {
    case 'register':
      return register()
    case 'fixed-register':
      return { ...gpr(width as Size, spec.fixed) }
    case 'register-or-memory':
      return inMemory ? memory() : register()
    case 'memory':
    case 'far-memory':
    case 'moffs':
      return memory()
    case 'xmm-or-memory':
      return inMemory ? memory() : special('xmm')
    case 'ymm-or-memory':
      return inMemory ? memory() : special('ymm')
    case 'immediate':
      return { kind: 'immediate', size, value: 3n }
    case 'relative':
      return { kind: 'relative', size, value: 0x40n }
    case 'fixed-value':
      return { kind: 'immediate', size: 8, value: BigInt(spec.fixed) }
    case 'far':
      return { kind: 'far', size, selector: 8, offset: 0n }
    case 'segment':
    case 'fixed-segment':
      return { kind: 'segment', size: 16, index: spec.fixed }
    default:
      return special(spec.kind)
  }
}

function exampleOf(row: InstructionRow, form: Form, inMemory: boolean, repeat: 0 | 0xf3): Instruction {
  const bits = form.not64 ? 32 : 64
  const operandSize = form.operandSize ?? (form.force64 || form.default64 || form.wide ? bits : 32)
  const first = form.operands[0]
  const fixed = first !== undefined && typeof first.size === 'number' && /register|memory|moffs/.test(first.kind) ? first.size : 0
  const size = (fixed === 8 || fixed === 16 || fixed === 32 || fixed === 64 ? fixed : operandSize) as Size
  const operands = form.operands.map((spec, position) => exampleOperand(spec, size, inMemory, position))
  const [dst = NONE, src = NONE, third = NONE] = operands
  return {
    row,
    form,
    length: 4,
    size,
    addressSize: form.addressSize ?? bits,
    stackSize: bits,
    bits,
    dst,
    src,
    third,
    repeat,
    lock: false,
    segment: -1,
  }
}

const takesMemory = (form: Form): boolean => form.operands.some(({ kind }) => kind.includes('memory') || kind === 'moffs')
const takesRegister = (form: Form): boolean =>
  !form.operands.some(({ kind }) => kind === 'memory' || kind === 'far-memory' || kind === 'moffs')

interface Operation {
  readonly title: string
  readonly text: string
}

/** The different texts that the forms of an instruction give, with the first form that gives each. */
function operationsOf(row: InstructionRow): Operation[] {
  const operations = new Map<string, Operation>()
  const note = (instruction: Instruction, title: string): void => {
    const lines = pseudocode(instruction)
    const shown = lines.length > MOST_LINES ? [...lines.slice(0, MOST_LINES), `... ${lines.length - MOST_LINES} more lines`] : lines
    const text = shown.length === 0 ? 'nothing' : shown.join('\n')
    if (!operations.has(text)) operations.set(text, { title, text })
  }
  for (const form of row.forms) {
    if (form.encodeOnly && row.forms.some(other => !other.encodeOnly)) continue
    const title = `\`${form.notation.replace(' | ', ' ').trim()}\``
    if (takesRegister(form)) note(exampleOf(row, form, false, 0), title)
    if (takesMemory(form)) note(exampleOf(row, form, true, 0), `${title} in memory`)
    if (row.prefixes.some(prefix => prefix !== 'lock')) note(exampleOf(row, form, false, 0xf3), `${title} with REP`)
  }
  return [...operations.values()]
}

function modesOf(form: Form): string {
  if (form.only64) return '64'
  return form.not64 ? '16, 32' : 'all'
}

const remarkOf = (form: Form): string => (form.encodeOnly ? 'assembler only' : form.decodeOnly ? 'decoder only' : '')

function describe(row: InstructionRow): string {
  const exit = exitText(row)
  const names = row.aliases.length === 0 ? '' : ` (${row.aliases.join(', ')})`
  const facts = [
    row.writes === '' ? '' : `- Flags written: ${row.writes}`,
    row.undefined === '' ? '' : `- Flags undefined: ${row.undefined}`,
    row.prefixes.length === 0 ? '' : `- Prefixes: ${row.prefixes.map(prefix => prefix.toUpperCase()).join(', ')}`,
    row.feature === null
      ? ''
      : `- CPUID feature: \`${row.feature}\`${row.instead === null ? '' : `; without it, these bytes are ${row.instead.mnemonic}`}`,
    exit === '' ? '' : `- Leaves VMX non-root operation: ${exit}`,
  ].filter(fact => fact !== '')
  const forms = row.forms.map(form => {
    const [opcode, operands] = form.notation.split(' | ') as [string, string]
    return `| \`${opcode}\` | ${operands === '' ? '' : `\`${operands}\``} | ${modesOf(form)} | ${remarkOf(form)} |`
  })
  const operations = operationsOf(row)
  const blocks = operations.flatMap(({ title, text }) => [...(operations.length > 1 ? ['', title] : []), '', '```text', text, '```'])
  const table = ['', '| Encoding | Operands | Modes | |', '|---|---|---|---|', ...forms]
  return [`## ${row.mnemonic}${names}`, ...(facts.length === 0 ? [] : ['', ...facts]), ...table, ...blocks, ''].join('\n')
}

const INTRODUCTION = `# Instructions

Generated from \`src/isa\` by \`npm run docs\`; changes belong there. Encodings are in the notation of the Intel SDM's opcode columns, as
\`src/isa/notation.ts\` explains it: no number after \`r\`, \`r/m\` or \`imm\` means "by operand size".

The operation of each instruction is printed from the function that the CPU runs. \`dst\`, \`src\` and \`third\` are its operands in the
order of the assembler; \`t1\`, \`t2\` are intermediate values, which wrap at the operand size or at the size behind a colon; \`.q0\`,
\`.q1\` are the 64-bit lanes of a vector. A *system operation* is what is not data flow: one function of \`src/hw/cpu/system\`.
`

export function renderInstructions(): string {
  const rows = INSTRUCTIONS.toSorted((a, b) => (a.mnemonic < b.mnemonic ? -1 : 1))
  const forms = rows.reduce((count, row) => count + row.forms.length, 0)
  return `${INTRODUCTION}\n${rows.length} instructions, ${forms} forms.\n\n${rows.map(describe).join('\n')}`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) writeFileSync(FILE, renderInstructions())
