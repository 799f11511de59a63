/** Bytes into the present section: every pass counts them, the last one writes them. */

import { bitField } from '../base/u64.ts'
import type { Fixup } from '../isa/encode.ts'
import { type Assembly, isObject, MAX_IMAGE_BYTES, type Section } from './state.ts'
import { report } from './symbols.ts'
import type { Span } from './tokens.ts'
import { NO_SECTION } from './value.ts'

/** `operand` of a fixup in data. */
export const DATA = -1

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
  if (fixups.length > 0 && isObject(assembly.format))
    relocate(assembly, section, at, { fixups, length: bytes.length, unit: repeated || bytes.length })
  place(assembly, at, bytes.length, fixups, repeated, false)
}

interface Relocated {
  readonly fixups: readonly Fixup[]
  readonly length: number
  /** Bytes of one repetition, each of which has its own. */
  readonly unit: number
}

/** Leaves addresses to the linker, distances inside the section apart. The addend goes into the place of an `elf32` file. */
function relocate(assembly: Assembly, section: Section, start: number, { fixups, length, unit }: Relocated): void {
  for (let from = 0; from < length; from += unit) {
    for (const { at, bytes, relative, section: target, value, signed, operand } of fixups) {
      if (target === NO_SECTION || (relative && target === section.index)) continue
      const offset = start + from + at
      // The processor counts a distance from behind the instruction, the linker from the place itself; `dd x - $` says it whole.
      const back = relative ? (operand === DATA ? offset : at - unit) : 0
      const addend = value + BigInt(back)
      assembly.relocations.push({ section: section.index, offset, bytes, relative, signed, target, addend })
      const inPlace = assembly.format === 'elf32' ? addend : 0n
      for (let byte = 0; byte < bytes; byte++) section.bytes[offset + byte] = bitField(BigInt.asUintN(64, inPlace), 8 * byte, 8)
    }
  }
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
