/**
 * Where the processor that made the vectors and this emulator may part, each with its reason: the manual leaves it undefined, or Intel
 * defines what the other vendor does differently. A difference that no row here explains is an error.
 */

import type { Outcome, SiliconCase } from './case.ts'
import type { Section } from './sections.ts'

interface Allowed {
  readonly rows: RegExp
  readonly when: (silicon: Outcome, ours: Outcome, section: Section, c: SiliconCase) => boolean
  readonly reason: string
}

const MEMORY_FAULTS: ReadonlySet<number> = new Set([12, 13, 14])
const bothFault = (silicon: Outcome, ours: Outcome): boolean =>
  silicon.kind === 'fault' && ours.kind === 'fault' && MEMORY_FAULTS.has(silicon.vector) && MEMORY_FAULTS.has(ours.vector)

/** Bytes that differ, as [the processor's, ours]. */
function differingBytes(silicon: Outcome, ours: Outcome, { windows }: SiliconCase): [number, number][] {
  const changed = ({ runs }: Outcome): Map<number, number> =>
    new Map(runs.flatMap(({ offset, bytes }) => [...bytes].map((byte, index): [number, number] => [offset + index, byte])))
  const [theirs, mine] = [changed(silicon), changed(ours)]
  const before = (at: number): number => {
    const window = windows.find(({ offset, bytes }) => at >= offset && at < offset + bytes.length)
    return window?.bytes[at - window.offset] ?? 0
  }
  return [...new Set([...theirs.keys(), ...mine.keys()])]
    .map((at): [number, number] => [theirs.get(at) ?? before(at), mine.get(at) ?? before(at)])
    .filter(([a, b]) => a !== b)
}

const bytesAt = ({ gpr }: SiliconCase, index: number): number => Number(gpr[index]! & 0xffffn)

/** XSTATE_BV, at byte 512 of the save area, has bits of AVX-512 (5 to 7) and besides none but those of x87, SSE and AVX. */
const restoresAvx512 = ({ windows }: SiliconCase): boolean => {
  const components = windows[0]!.bytes[512]!
  return (components & 0xe0) !== 0 && (components & 0x18) === 0
}

export const ALLOWED: readonly Allowed[] = [
  {
    rows: /^SH[LR]D$/,
    when: (_, __, { size }, c) => size === 16 && c.code.length > 0,
    reason: 'SHLD and SHRD of 16 bits by more than 16: the result and the flags are undefined',
  },
  { rows: /^LAR$/, when: silicon => silicon.kind === 'fell', reason: 'LAR: bits 19:16 of the result are undefined' },
  {
    rows: /^(FXSAVE|XSAVE|XSAVEOPT|XSAVEC)(64)?$/,
    when: (silicon, ours, _, c) => {
      const bytes = differingBytes(silicon, ours, c)
      return bytes.length === 1 && bytes[0]![0] === 2 && bytes[0]![1] === 0
    },
    reason: 'MXCSR_MASK: AMD has the misaligned-exception mask in bit 17',
  },
  {
    rows: /^(FX|X)(SAVE|RSTOR)/,
    when: bothFault,
    reason: 'a save area of which nothing is mapped: CR2 names any of its bytes',
  },
  {
    rows: /^XRSTOR(64)?$/,
    when: (silicon, ours, _, c) => silicon.kind === 'fell' && ours.vector === 13 && restoresAvx512(c),
    reason: 'XRSTOR of AVX-512 state: XCR0 of the processor has it, that of the emulated CPU has not',
  },
  {
    rows: /^(JMP|CALL|L[SFG]S)$/,
    when: (_, __, { form, size }) => size === 64 && /mfar|mem/.test(form.notation),
    reason: 'a far pointer with REX.W has a 64-bit offset on Intel processors; AMD ignores REX.W',
  },
  {
    rows: /^MOVSXD$/,
    when: (_, __, { size }) => size === 16,
    reason: 'MOVSXD of 16 bits reads 16 bits on Intel processors, 32 on AMD',
  },
  {
    rows: /^(ENTER|PUSHA[WD]?|CALL)$/,
    when: bothFault,
    reason: 'a fault in the middle of several stores: what the first ones wrote, and which fault comes first, is not defined',
  },
  {
    rows: /^CMPS[BWDQ]$/,
    when: bothFault,
    reason: 'CMPS with two addresses that fault: their order is not defined',
  },
  {
    rows: /^(INS|OUTS)[BWD]$/,
    when: (silicon, ours, _, c) => silicon.kind === 'fault' && silicon.vector === 13 && ours.kind === 'fell' && bytesAt(c, 1) === 0,
    reason: 'REP with a count of 0 performs no iteration, and so no check of the port (SDM, REP); AMD checks first',
  },
  {
    rows: /^CALL$/,
    when: (silicon, ours) => silicon.kind === 'hung' && ours.kind === 'fault',
    reason: 'a page fault of a far call at the rim of a 16-bit stack: the host’s kernel does not pass it on and tries again for ever',
  },
  {
    rows: /^MOV$/,
    when: (_, ours, { form }, c) => /\bcr\b/.test(form.notation) && c.code.includes(0xf0) && ours.vector === 6,
    reason: 'LOCK on MOV from and to control registers is #UD on Intel processors; AMD reads it as CR8',
  },
  {
    rows: /^SYSRET$/,
    when: (silicon, ours, { mode }) => mode !== 64 && silicon.vector === 13 && ours.vector === 6,
    reason: 'SYSRET outside 64-bit mode is #UD on Intel processors (SDM, SYSRET); AMD has it there, for ring 0',
  },
  {
    rows: /^VERW$/,
    when: (silicon, ours, _, c) => c.code[0] === 0xf0 && silicon.kind === 'fell' && ours.vector === 6,
    reason: 'LOCK on VERW is #UD (SDM, LOCK); AMD ignores it',
  },
  {
    rows: /^INT1$/,
    when: (silicon, ours) => silicon.vector === 1 && ours.vector === 1,
    reason: 'INT1 is a trap (SDM); the hypervisor under the processor reinjects its #DB with the RIP of the instruction',
  },
]

/** The first reason that explains the difference. */
export const reasonOf = (silicon: Outcome, ours: Outcome, section: Section, c: SiliconCase): string | undefined =>
  ALLOWED.find(({ rows, when }) => rows.test(section.row.mnemonic) && when(silicon, ours, section, c))?.reason
