/** Where a guest stands when its run is over, in words: its RIP and source line, and what decides whether anything can wake it. */

import { type Image, lineAt } from '../assembler/image.ts'
import { rootMachine } from '../hw/root-cpu.ts'
import type { GuestRun } from '../session/guest-run.ts'
import { RFLAGS } from '../spec/rflags.ts'

export interface GuestPlace {
  readonly rip: bigint
  readonly interruptsOn: boolean
  readonly idtLimit: number
}

/** Of the guest that KVM runs, from its VMCS where it is not on the CPU; of a bare one, the CPU's own. */
export function placeOf({ machine, config }: GuestRun): GuestPlace {
  const cpu = machine.cpus[0]!
  const registers = machine.registers[0]!
  const isOn = (flags: bigint): boolean => ((flags >> BigInt(RFLAGS.IF)) & 1n) === 1n
  if (config.mode === 'bare' || cpu.vmx.mode === 'non-root')
    return { rip: registers.rip[0]!, interruptsOn: isOn(registers.rflags[0]!), idtLimit: cpu.idtr.limit }
  const root = rootMachine(machine).cpus[0]!
  return {
    rip: root.vmread('GUEST_RIP'),
    interruptsOn: isOn(root.vmread('GUEST_RFLAGS')),
    idtLimit: Number(root.vmread('GUEST_IDTR_LIMIT')),
  }
}

/** `rip 0x100004 (timer.asm:12: hlt)`. */
export function placeText(image: Image, rip: bigint): string {
  const line = lineAt(image, Number(rip))
  const source = line && image.sources[line.source]
  const text = line && source?.text.split(/\r?\n/)[line.line - 1]?.replace(/;.*$/, '').trim().replace(/\s+/g, ' ')
  const where = source ? ` (${source.file}:${line.line}${text ? `: ${text}` : ''})` : ''
  return `rip 0x${rip.toString(16)}${where || nameText(image, rip)}`
}

/** The nearest name before it, where there is no source line: ` (main+0x12)`. */
function nameText({ symbols, lines }: Image, rip: bigint): string {
  if (lines.length > 0) return ''
  const before = symbols.findLast(({ kind, value }) => kind === 'label' && value <= rip)
  if (before === undefined) return ''
  return rip === before.value ? ` (${before.name})` : ` (${before.name}+0x${(rip - before.value).toString(16)})`
}
