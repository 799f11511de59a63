/** Bytes into the present section: every pass counts them, the last one writes them. */

import type { Fixup } from '../isa/encode.ts'
import { type Assembly, MAX_IMAGE_BYTES } from './state.ts'
import { report } from './symbols.ts'
import type { Span } from './tokens.ts'

export const offsetOf = (assembly: Assembly): number => assembly.section?.offset ?? assembly.absolute

/** Address of the next byte, in the coordinates of labels. */
export const addressOf = (assembly: Assembly): number =>
  assembly.section === null ? assembly.absolute : assembly.section.base + assembly.section.offset

export interface Emission {
  readonly fixups?: readonly Fixup[]
  readonly repeated?: number
}

export function emit(assembly: Assembly, bytes: ArrayLike<number>, span: Span, { fixups = [], repeated = 0 }: Emission = {}): void {
  const { section } = assembly
  if (section === null || section.nobits) {
    if (bytes.length > 0)
      report(
        assembly,
        'E0503',
        section === null ? 'only space can be reserved here, not bytes written' : `${section.name} holds no bytes`,
        span,
        { help: ['use resb, resw, resd or resq'] },
      )
    advance(assembly, bytes.length, span)
    return
  }
  const at = section.offset
  if (!advance(assembly, bytes.length, span) || !assembly.final) return
  reserveRoom(section, section.offset)
  section.bytes.set(bytes, at)
  place(assembly, at, bytes.length, fixups, repeated, false)
}

/** Space, which is zeros in a section with bytes; false when there is no room for it. */
export function reserve(assembly: Assembly, count: number, span: Span): boolean {
  const at = offsetOf(assembly)
  if (!advance(assembly, count, span)) return false
  if (!assembly.final || assembly.section === null) return true
  if (!assembly.section.nobits) reserveRoom(assembly.section, assembly.section.offset)
  place(assembly, at, count, [], 0, true)
  return true
}

function advance(assembly: Assembly, count: number, span: Span): boolean {
  const { section } = assembly
  if (offsetOf(assembly) + count > MAX_IMAGE_BYTES) {
    report(assembly, 'E0604', `the image would be larger than ${MAX_IMAGE_BYTES / 1024 / 1024} MiB`, span, {
      help: ['set up large areas when the guest runs'],
    })
    return false
  }
  if (section === null) assembly.absolute += count
  else section.offset += count
  return true
}

function reserveRoom(section: { bytes: Uint8Array }, needed: number): void {
  if (section.bytes.length >= needed) return
  const larger = new Uint8Array(Math.max(needed, section.bytes.length * 2, 4096))
  larger.set(section.bytes)
  section.bytes = larger
}

function place(assembly: Assembly, offset: number, length: number, fixups: readonly Fixup[], repeated: number, reserved: boolean): void {
  const { item, section } = assembly
  if (item === null || section === null || length === 0) return
  assembly.placements.push({ item, section: section.index, offset, length, fixups, repeated, reserved })
}
