/** The target description that gdb reads (the gdb manual, "Target Description Format"), from the rows of `registers.ts`. */

import { RFLAGS } from '../spec/rflags.ts'
import type { Feature, RegisterSet } from './registers.ts'

/** Types that a feature defines before it uses them. */
const TYPES: Readonly<Record<string, string>> = {
  'org.gnu.gdb.i386.core': `<flags id="i386_eflags" size="4">${Object.entries(RFLAGS)
    .filter(([, bit]) => bit < 32)
    .map(([name, bit]) => `<field name="${name}" start="${bit}" end="${bit}"/>`)
    .join('')}</flags>`,
  'org.gnu.gdb.i386.sse':
    '<vector id="v16i8" type="int8" count="16"/><vector id="v8i16" type="int16" count="8"/><vector id="v4i32" type="int32" count="4"/>' +
    '<vector id="v2i64" type="int64" count="2"/><vector id="v4f" type="ieee_single" count="4"/><vector id="v2d" type="ieee_double" count="2"/>' +
    '<union id="vec128"><field name="v4_float" type="v4f"/><field name="v2_double" type="v2d"/><field name="v16_int8" type="v16i8"/>' +
    '<field name="v8_int16" type="v8i16"/><field name="v4_int32" type="v4i32"/><field name="v2_int64" type="v2i64"/>' +
    '<field name="uint128" type="uint128"/></union>',
}

function featureXml({ name, registers }: Feature): string {
  const rows = registers.map(
    ({ name: register, bits, type, group }) =>
      `<reg name="${register}" bitsize="${bits}" type="${type}"${group === undefined ? '' : ` group="${group}"`}/>`,
  )
  return `<feature name="${name}">${TYPES[name] ?? ''}${rows.join('')}</feature>`
}

/** The description of one architecture. */
export const targetXml = ({ architecture, features }: RegisterSet): string =>
  `<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0"><architecture>${architecture}</architecture>${features.map(featureXml).join('')}</target>`
