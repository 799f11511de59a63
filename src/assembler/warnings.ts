/** Warnings by class: `-w CLASS` and `-w -CLASS` switch one on and off, `-Werror` makes errors of those that are on. */

import type { DiagnosticCode } from './diagnostic-codes.ts'
import type { Diagnostic } from './diagnostics.ts'

/** Names as NASM's where it has one for the same. */
export const WARNING_CLASSES = {
  'number-overflow': 'W0206',
  'string-overflow': 'W0301',
  user: 'W0406',
  pragma: 'W0407',
  zeroing: 'W0501',
  'label-orphan': 'W0502',
  'ea-absolute': 'W0503',
  'prefix-lock': 'W0504',
} as const satisfies Record<string, DiagnosticCode>

export type WarningClass = keyof typeof WARNING_CLASSES

export const isWarningClass = (name: string): name is WarningClass => name in WARNING_CLASSES

export interface WarningPolicy {
  readonly off: ReadonlySet<WarningClass>
  /** Classes whose warnings count as errors. */
  readonly errors: ReadonlySet<WarningClass>
}

export const DEFAULT_POLICY: WarningPolicy = { off: new Set(), errors: new Set() }

export const ALL_CLASSES = Object.keys(WARNING_CLASSES) as WarningClass[]

const classOf = ({ code }: Diagnostic): WarningClass | undefined => ALL_CLASSES.find(name => WARNING_CLASSES[name] === code)

/** The diagnostics that remain, some of them as errors. */
export function underPolicy(diagnostics: readonly Diagnostic[], { off, errors }: WarningPolicy): Diagnostic[] {
  return diagnostics.flatMap((entry): Diagnostic[] => {
    const name = entry.severity === 'warning' ? classOf(entry) : undefined
    if (name === undefined) return [entry]
    if (off.has(name)) return []
    return [errors.has(name) ? { ...entry, severity: 'error' } : entry]
  })
}
