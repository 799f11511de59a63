/** A failing run's trace is kept as a file, so that the other commands can look at it. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { CellRun } from './cell-run.ts'
import { traceFileOf } from './failure-text.ts'

/** Writes the trace below the root; returns its name there. */
export function keepTrace(root: string, file: string, { cell, trace }: CellRun): string {
  const name = traceFileOf(file, cell)
  mkdirSync(dirname(resolve(root, name)), { recursive: true })
  writeFileSync(resolve(root, name), trace)
  return name
}
