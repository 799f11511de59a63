/** The processor under us: the harness, compiled into a directory of its own, and batches of cases through it. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Outcome, SiliconCase } from './case.ts'
import { caseRecord, OutcomeReader } from './records.ts'

export interface Processor {
  readonly vendor: string
  readonly family: number
  readonly model: number
  readonly stepping: number
  run(cases: readonly SiliconCase[]): Outcome[]
  /** Removes the program. */
  close(): void
}

const COMPILER = ['-O1', '-static', '-no-pie', '-fno-stack-protector', '-w']

function compileHarness(directory: string): string {
  const program = join(directory, 'harness')
  execFileSync('gcc', [...COMPILER, '-o', program, join(import.meta.dirname, 'harness.c')])
  return program
}

/** Throws where there is no gcc, or no x86-64 Linux to run on. */
export function openProcessor(): Processor {
  const directory = mkdtempSync(join(tmpdir(), 'vtick-silicon-'))
  const harness = compileHarness(directory)
  const info = readFileSync('/proc/cpuinfo', 'utf8')
  const field = (name: string): string => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(info)?.[1] ?? ''
  return {
    vendor: field('vendor_id'),
    family: Number(field('cpu family')),
    model: Number(field('model')),
    stepping: Number(field('stepping')),
    run(cases) {
      const input = Buffer.concat(cases.map(caseRecord))
      const reader = new OutcomeReader(execFileSync(harness, { input, maxBuffer: 2 ** 30 }))
      return cases.map(c => reader.next(c.vectors !== null))
    },
    close: () => rmSync(directory, { recursive: true }),
  }
}
