/** Names of the registers as source text and listings spell them. The position of a name is the register's encoding. */

export const GPR_NAMES = {
  /** With a REX prefix; without one, encodings 4..7 are `HIGH_BYTE_NAMES`. */
  8: ['al', 'cl', 'dl', 'bl', 'spl', 'bpl', 'sil', 'dil', 'r8b', 'r9b', 'r10b', 'r11b', 'r12b', 'r13b', 'r14b', 'r15b'],
  16: ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di', 'r8w', 'r9w', 'r10w', 'r11w', 'r12w', 'r13w', 'r14w', 'r15w'],
  32: ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi', 'r8d', 'r9d', 'r10d', 'r11d', 'r12d', 'r13d', 'r14d', 'r15d'],
  64: ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'],
} as const satisfies Readonly<Record<8 | 16 | 32 | 64, readonly string[]>>

/** Bits 15:8 of AX, CX, DX, BX: position n is the high byte of register n, encoded as n + 4. */
export const HIGH_BYTE_NAMES = ['ah', 'ch', 'dh', 'bh'] as const

export const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const

/** CR1, CR5..CR7 and CR9..CR15 do not exist: their use is #UD. */
export const CONTROL_REGISTERS = { cr0: 0, cr2: 2, cr3: 3, cr4: 4, cr8: 8 } as const

export const DEBUG_NAMES = ['dr0', 'dr1', 'dr2', 'dr3', 'dr4', 'dr5', 'dr6', 'dr7'] as const

const sixteen = (prefix: string): readonly string[] => Array.from({ length: 16 }, (_, index) => `${prefix}${index}`)

export const XMM_NAMES: readonly string[] = sixteen('xmm')
export const YMM_NAMES: readonly string[] = sixteen('ymm')

export type Gpr64Name = (typeof GPR_NAMES)[64][number]
export type SegmentName = (typeof SEGMENT_NAMES)[number]
export type ControlRegisterName = keyof typeof CONTROL_REGISTERS
