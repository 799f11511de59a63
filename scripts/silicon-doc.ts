/**
 * Writes `docs/silicon.md`: what the CPU was compared with a real processor on, family by family, and where the two part. The figures
 * are those of `test/oracle/silicon/vectors.bin`; a test compares the file with this.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ARITHMETIC } from '../src/isa/arithmetic.ts'
import { BITS } from '../src/isa/bit.ts'
import { BMI } from '../src/isa/bmi.ts'
import { BRANCHES } from '../src/isa/branch.ts'
import { DECIMAL } from '../src/isa/decimal.ts'
import { EXCHANGES } from '../src/isa/exchange.ts'
import { FAR_POINTERS } from '../src/isa/far.ts'
import { FAST_CALLS } from '../src/isa/fast-call.ts'
import { HINTS } from '../src/isa/hint.ts'
import type { InstructionRow } from '../src/isa/instruction.ts'
import { MOVES } from '../src/isa/move.ts'
import { MULTIPLICATION } from '../src/isa/multiply.ts'
import { PROCESSOR } from '../src/isa/processor.ts'
import { SAVED_STATE } from '../src/isa/save-state.ts'
import { SHIFTS } from '../src/isa/shift.ts'
import { SSE_INTEGER } from '../src/isa/sse-integer.ts'
import { SSE_MOVES } from '../src/isa/sse-move.ts'
import { SSE_SHUFFLES } from '../src/isa/sse-shuffle.ts'
import { STACK } from '../src/isa/stack.ts'
import { STRINGS } from '../src/isa/string.ts'
import { SYSTEM } from '../src/isa/system.ts'
import { INSTRUCTIONS } from '../src/isa/table.ts'
import { VMX } from '../src/isa/vmx.ts'
import { HAND_TESTED } from '../test/oracle/silicon/hand-tested.ts'
import { NOT_ASKED, sectionsOf, userForms } from '../test/oracle/silicon/sections.ts'
import { openVectors, type RowHeader, type SiliconVectors } from '../test/oracle/silicon/vectors.ts'

export const SILICON_DOC = join(import.meta.dirname, '../docs/silicon.md')

const FAMILIES: readonly (readonly [name: string, rows: readonly InstructionRow[]])[] = [
  ['arithmetic and logic', ARITHMETIC],
  ['shifts and rotates', SHIFTS],
  ['bits and bytes', BITS],
  ['BMI1, BMI2, ADX', BMI],
  ['exchanges', EXCHANGES],
  ['multiplication and division', MULTIPLICATION],
  ['moves', MOVES],
  ['stack', STACK],
  ['branches, interrupts, returns', BRANCHES],
  ['strings', STRINGS],
  ['decimal adjustment, LAHF, XLAT', DECIMAL],
  ['flags, I/O and system', SYSTEM],
  ['far pointers and descriptors', FAR_POINTERS],
  ['fast calls, FS and GS bases', FAST_CALLS],
  ['processor', PROCESSOR],
  ['cache control and hints', HINTS],
  ['saved state, x87 control', SAVED_STATE],
  ['vector moves', SSE_MOVES],
  ['vector integers', SSE_INTEGER],
  ['vector shuffles', SSE_SHUFFLES],
  ['VMX', VMX],
]

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
const grouped = (number: number): string => number.toLocaleString('en-US')
const casesOf = (rows: readonly RowHeader[]): number => sum(rows.flatMap(({ sections }) => sections.map(([, cases]) => cases)))
const explainedIn = (rows: readonly RowHeader[]): number => sum(rows.flatMap(({ explained }) => Object.values(explained)))

/** The families must be the whole table. */
const familyTable = (rows: readonly RowHeader[]): string[] =>
  FAMILIES.flatMap(([name, own]) => {
    const names = new Set(own.map(({ mnemonic }) => mnemonic))
    const asked = rows.filter(row => names.has(row.name))
    if (asked.length === 0) return []
    const forms = new Set(asked.flatMap(({ sections }) => sections.map(([key]) => key.replace(/ o\d+ m\d+$/, '')))).size
    const numbers = [forms, casesOf(asked), sum(asked.map(({ faults }) => faults)), sum(asked.map(({ undefinedFlags }) => undefinedFlags))]
    return [`| ${name} | ${numbers.map(grouped).join(' | ')} | ${grouped(explainedIn(asked))} |`]
  })

function reasonTable(rows: readonly RowHeader[]): string[] {
  const reasons = new Map<string, { cases: number; names: Set<string> }>()
  for (const { name, explained } of rows)
    for (const [reason, cases] of Object.entries(explained)) {
      const entry = reasons.get(reason) ?? { cases: 0, names: new Set<string>() }
      entry.cases += cases
      entry.names.add(name)
      reasons.set(reason, entry)
    }
  return [...reasons]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([reason, { cases, names }]) => `| ${[...names].join(' ')} | ${grouped(cases)} | ${reason} |`)
}

function coverage(): string {
  const forms = userForms()
  const asked = new Set(([64, 32, 16] as const).flatMap(mode => sectionsOf(mode).map(({ form }) => form)))
  const count = forms.filter(form => asked.has(form)).length
  return `They cover ${count} of the ${forms.length} forms that a user program can run (${((100 * count) / forms.length).toFixed(1)} %).`
}

/** Rows that share a reason for not being asked stand together. */
function notAskedTable(): string[] {
  const byReason = new Map<string, string[]>()
  for (const { mnemonic } of INSTRUCTIONS) {
    const reason = NOT_ASKED[mnemonic]
    if (reason !== undefined) byReason.set(reason, [...(byReason.get(reason) ?? []), mnemonic])
  }
  return [...byReason].map(([reason, names]) => {
    const files = [...new Set(names.map(name => HAND_TESTED[name]))]
    return `| ${names.join(' ')} | ${reason} | ${files.map(file => `\`${file}\``).join(' ')} |`
  })
}

export function renderSilicon({ header }: SiliconVectors): string {
  const { rows } = header
  return `# The CPU against silicon

Generated by \`npm run docs\`; the figures are those of \`test/oracle/silicon/vectors.bin\`.

Each case is one instruction with all registers, flags and memory that it can see, in 64-bit mode or in 32- or 16-bit compatibility mode,
at CPL 3. A harness in C (\`test/oracle/silicon/harness.c\`) runs it on the host's processor; faults come back as vector, error code, CR2
and registers. The emulated CPU must give the same registers, flags, memory and exception. Inputs come from the seed in the file's header,
only outcomes are stored: \`npm test\` checks a slice without compiler or processor, \`VTICK_FULL=1\` all of them, and
\`npm run oracle:cpu -- --seed N\` makes fresh ones where there is gcc.

These vectors: ${header.vendor}, family ${header.family}, model ${header.model}, stepping ${header.stepping}; seed ${header.seed}, generator ${header.generator}, harness ${header.harness}. ${grouped(casesOf(rows))} cases of
${grouped(sum(rows.map(({ sections }) => sections.length)))} combinations of form, operand size and mode; ${grouped(sum(rows.map(({ faults }) => faults)))} of them end in an exception. Unexplained differences: 0.
${coverage()}

| family | forms | cases | exceptions | undefined flags differ | differences with a reason |
|---|---:|---:|---:|---:|---:|
${familyTable(rows).join('\n')}

## Differences and their reasons

Where the manual leaves a flag undefined (the \`undefined\` column of the instruction's row) any value is right; the column above counts the
cases in which the two differ there. Everything else is listed here. The Intel manual rules.

| instructions | cases | reason |
|---|---:|---|
${reasonTable(rows).join('\n')}

## What is offered only in part

CPUID reports \`fpu\`, \`sse\` and \`sse2\`, since every 64-bit program relies on them, but the table has no floating-point arithmetic: of the x87
the control instructions, of SSE and SSE2 the moves, logic, integers and shuffles. Their other opcodes raise #UD. \`avx\` has the moves
only, and must be asked for: \`--cpu max,+avx\`. MMX is not offered.

## Not asked of the processor

These have tests written by hand from the manual. So do, besides, the privileged instructions, of which the processor is asked only the
exception that they raise at CPL 3.

| instructions | why | tests |
|---|---|---|
${notAskedTable().join('\n')}
`
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const vectors = openVectors()
  if (vectors === null) console.error('there is no test/oracle/silicon/vectors.bin: npm run oracle:cpu makes it')
  else writeFileSync(SILICON_DOC, renderSilicon(vectors))
}
