/**
 * Exceptions and the NMI by vector (Intel SDM, "Exception and Interrupt Reference"; double faults: "Interrupt 8"). Vectors below 32
 * that are absent here are reserved. `group` decides what a second exception during delivery of a first one becomes:
 *
 *     first \ second   benign    contributory   page-fault
 *     benign           second    second         second
 *     contributory     second    #DF            second
 *     page-fault       second    #DF            #DF
 *     double-fault     second    shutdown       shutdown
 */

export interface ExceptionRow {
  readonly vector: number
  readonly name: string
  readonly kind: 'fault' | 'trap' | 'fault or trap' | 'abort' | 'interrupt'
  /** Whether delivery in protected mode pushes an error code. */
  readonly errorCode: boolean
  readonly group: 'benign' | 'contributory' | 'page-fault' | 'double-fault'
}

/** The key with a `#` before it is the SDM's mnemonic, but for NMI and CSO, which have none. */
export const EXCEPTIONS = {
  DE: { vector: 0, name: 'divide error', kind: 'fault', errorCode: false, group: 'contributory' },
  DB: { vector: 1, name: 'debug exception', kind: 'fault or trap', errorCode: false, group: 'benign' },
  NMI: { vector: 2, name: 'non-maskable interrupt', kind: 'interrupt', errorCode: false, group: 'benign' },
  BP: { vector: 3, name: 'breakpoint', kind: 'trap', errorCode: false, group: 'benign' },
  OF: { vector: 4, name: 'overflow', kind: 'trap', errorCode: false, group: 'benign' },
  BR: { vector: 5, name: 'BOUND range exceeded', kind: 'fault', errorCode: false, group: 'benign' },
  UD: { vector: 6, name: 'invalid opcode', kind: 'fault', errorCode: false, group: 'benign' },
  NM: { vector: 7, name: 'device not available', kind: 'fault', errorCode: false, group: 'benign' },
  DF: { vector: 8, name: 'double fault', kind: 'abort', errorCode: true, group: 'double-fault' },
  CSO: { vector: 9, name: 'coprocessor segment overrun', kind: 'fault', errorCode: false, group: 'benign' },
  TS: { vector: 10, name: 'invalid TSS', kind: 'fault', errorCode: true, group: 'contributory' },
  NP: { vector: 11, name: 'segment not present', kind: 'fault', errorCode: true, group: 'contributory' },
  SS: { vector: 12, name: 'stack-segment fault', kind: 'fault', errorCode: true, group: 'contributory' },
  GP: { vector: 13, name: 'general protection', kind: 'fault', errorCode: true, group: 'contributory' },
  PF: { vector: 14, name: 'page fault', kind: 'fault', errorCode: true, group: 'page-fault' },
  MF: { vector: 16, name: 'x87 floating-point error', kind: 'fault', errorCode: false, group: 'benign' },
  AC: { vector: 17, name: 'alignment check', kind: 'fault', errorCode: true, group: 'benign' },
  MC: { vector: 18, name: 'machine check', kind: 'abort', errorCode: false, group: 'benign' },
  XM: { vector: 19, name: 'SIMD floating-point exception', kind: 'fault', errorCode: false, group: 'benign' },
  VE: { vector: 20, name: 'virtualization exception', kind: 'fault', errorCode: false, group: 'page-fault' },
  CP: { vector: 21, name: 'control protection exception', kind: 'fault', errorCode: true, group: 'contributory' },
} as const satisfies Readonly<Record<string, ExceptionRow>>

export type ExceptionName = keyof typeof EXCEPTIONS

const names: ReadonlyMap<number, ExceptionName> = new Map(
  Object.entries(EXCEPTIONS).map(([name, row]) => [row.vector, name as ExceptionName]),
)

/** Undefined for a reserved vector and for 32 and above. */
export const exceptionOf = (vector: number): ExceptionName | undefined => names.get(vector)
