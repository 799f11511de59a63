/**
 * Guests in tests that are written in TypeScript:
 *
 *     const t = await guest('test/deadline.guest.asm').with({ params: { apic_timer_virt: 0 }, level: 'L2' }).run()
 *     const u = await guest`mov eax, 4
 *                           cmp eax, ${2 + 2}
 *                           report "four", e`.run()
 *
 * This file is loaded with vitest's configuration, the emulator only when a guest runs.
 */

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DefectName } from '../kvm/defects.ts'
import type { KvmParameters } from '../kvm/parameters.ts'
import type { CpuFeature } from '../spec/cpu-models.ts'
import { inlineSource } from './inline-source.ts'
import type { TestedRun } from './tested-run.ts'

/** What is not given is as in a guest test without directives. */
export interface GuestOptions {
  /** Module parameters of the emulated KVM. */
  readonly params?: { readonly [K in keyof KvmParameters]?: KvmParameters[K] extends boolean ? 0 | 1 | boolean : number }
  /** L0: on the CPU itself, without KVM. L2: under the stock guest hypervisor. L1 if absent. */
  readonly level?: 'L0' | 'L1' | 'L2'
  /** CPU features given and taken away, besides those that the file's own `;! cpu` names. */
  readonly cpu?: readonly `${'+' | '-'}${CpuFeature}`[]
  /** Mistakes of the posted series that KVM makes, besides those of the file's own `;! defect`; `vtick explain defects` lists them. */
  readonly defects?: readonly DefectName[]
  /** As by %define, before the first line. */
  readonly defines?: Readonly<Record<string, string | number | bigint>>
  /** What the console receives before the guest starts; the file's own `;! input` if absent. */
  readonly input?: string
}

/** The source of a guest, and what it is called in messages. */
export interface GuestSource {
  readonly text: string
  readonly path: string
  /** Written in the test: a whole program without directives. */
  readonly isInline: boolean
}

export interface Guest {
  /** The same guest with more said about its run; what is said twice counts as said last. */
  with(options: GuestOptions): Guest
  /**
   * Assembles and runs it, then replays the recording, which must come out the same. However the guest ends, the run is returned:
   * `toPass` asks whether it ended well. Rejects with the assembler's diagnostics, with a wrong option, or with a divergence.
   */
  run(): Promise<TestedRun>
}

type Substitution = string | number | bigint

/** A file, relative to the working directory or as a URL, or a source written as a template. */
export function guest(file: string | URL): Guest
export function guest(source: TemplateStringsArray, ...values: readonly Substitution[]): Guest
export function guest(from: string | URL | TemplateStringsArray, ...values: readonly Substitution[]): Guest {
  if (typeof from === 'string' || from instanceof URL) {
    const path = from instanceof URL ? fileURLToPath(from) : resolve(from)
    return guestOf(() => ({ path, text: readSource(path), isInline: false }), {})
  }
  const text = inlineSource(String.raw(from, ...values))
  return guestOf(() => ({ path: resolve('inline.asm'), text, isInline: true }), {})
}

function readSource(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    throw new Error(
      `cannot read the guest ${path}; a name is relative to the working directory, new URL('x.asm', import.meta.url) to the test`,
    )
  }
}

const guestOf = (source: () => GuestSource, options: GuestOptions): Guest => ({
  with: more => guestOf(source, merged(options, more)),
  run: async () => (await import('./tested-run.ts')).runGuest(source(), options),
})

const merged = (said: GuestOptions, more: GuestOptions): GuestOptions => ({
  ...said,
  ...more,
  params: { ...said.params, ...more.params },
  cpu: [...(said.cpu ?? []), ...(more.cpu ?? [])],
  defects: [...new Set([...(said.defects ?? []), ...(more.defects ?? [])])],
  defines: { ...said.defines, ...more.defines },
})
