/**
 * `vtick dump-vmcs`: the current VMCS at a position, in the layout of Linux's `dump_vmcs` (`arch/x86/kvm/vmx/vmx.c`) with the three
 * lines that the APIC-timer series adds. While the guest runs its state is in the CPU: as for Linux, the guest-state area is then that
 * of the last VM exit.
 */

import { readField } from '../hw/vmx/vmcs.ts'
import { openTimeline, type TimelineView } from '../session/timeline.ts'
import type { VmcsFieldName } from '../spec/vmcs-fields.ts'
import { CONTROL_WORDS, type ControlName, VMX_CONTROLS } from '../spec/vmx-controls.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import { placeIn, requireEvents } from './place-argument.ts'
import type { Terminal } from './terminal.ts'
import { openRunnableTrace } from './trace-argument.ts'

export async function dumpVmcsCommand(terminal: Terminal, file: string | undefined, at = '@end'): Promise<ExitCode> {
  const { name, reader } = openRunnableTrace(terminal, file)
  try {
    requireEvents(reader, name)
    const timeline = openTimeline(reader)
    const place = await placeIn(terminal, timeline, { name, at })
    if (place === null) return EXIT.interrupted
    const view = place.kind === 'event' ? timeline.atEvent(place.index) : timeline.atInstruction(place.count)
    const { machine } = view
    const { mode, currentVmcs } = machine.cpus[view.cpu]!.vmx
    if (currentVmcs < 0) throw usageError(`no VMCS is current at ${at} of ${name}`, 'name a position after VMPTRLD')
    if (mode === 'non-root') terminal.say(`at ${at} the guest runs: the guest state is that of the last VM exit`)
    terminal.print(dumpVmcs(view).join('\n'))
    return EXIT.fine
  } finally {
    reader.close()
  }
}

/** A VMCS as the lines below read it. */
interface Vmcs {
  /** A field in hexadecimal, so many digits. */
  readonly hex: (field: VmcsFieldName, digits: number) => string
  readonly has: (control: ControlName) => boolean
  readonly read: (field: VmcsFieldName) => bigint
  readonly memory: TimelineView['machine']['memory']
}

/** The lines of the VMCS that is current at a moment. */
export function dumpVmcs({ machine, cpu: index }: TimelineView): readonly string[] {
  const { memory } = machine
  const cpu = machine.cpus[index]!
  const at = cpu.vmx.currentVmcs
  const read = (field: VmcsFieldName): bigint => readField(memory, at, field)
  const isActive = (control: 'CPU_BASED_ACTIVATE_SECONDARY_CONTROLS' | 'CPU_BASED_ACTIVATE_TERTIARY_CONTROLS'): boolean =>
    bitOf(read('CPU_BASED_VM_EXEC_CONTROL'), VMX_CONTROLS[control].bit)
  const has = (control: ControlName): boolean => {
    const { word, bit } = VMX_CONTROLS[control]
    if (word === 'secondary' && !isActive('CPU_BASED_ACTIVATE_SECONDARY_CONTROLS')) return false
    if (word === 'tertiary' && !isActive('CPU_BASED_ACTIVATE_TERTIARY_CONTROLS')) return false
    return bitOf(read(CONTROL_WORDS[word].field), bit)
  }
  const vmcs: Vmcs = { hex: (field, digits) => read(field).toString(16).padStart(digits, '0'), has, read, memory }
  return [
    `VMCS ${at.toString(16).padStart(16, '0')}, last attempted VM-entry on CPU ${cpu.index}`,
    '*** Guest State ***',
    ...guestRegisters(vmcs),
    ...guestRest(vmcs),
    '*** Host State ***',
    ...hostState(vmcs),
    '*** Control State ***',
    ...controlWords(vmcs),
    ...virtualization(vmcs),
  ]
}

const bitOf = (word: bigint, position: number): boolean => ((word >> BigInt(position)) & 1n) === 1n
const when = (condition: boolean, line: () => string): readonly string[] => (condition ? [line()] : [])

const SEGMENTS = ['CS', 'DS', 'SS', 'ES', 'FS', 'GS'] as const

const segment = ({ hex }: Vmcs, name: (typeof SEGMENTS)[number] | 'LDTR' | 'TR'): string =>
  `${`${name}:`.padEnd(5)} sel=0x${hex(`GUEST_${name}_SELECTOR`, 4)}, attr=0x${hex(`GUEST_${name}_AR_BYTES`, 5)}, ` +
  `limit=0x${hex(`GUEST_${name}_LIMIT`, 8)}, base=0x${hex(`GUEST_${name}_BASE`, 16)}`

const table = ({ hex }: Vmcs, name: 'GDTR' | 'IDTR'): string =>
  `${name}:${' '.repeat(27)}limit=0x${hex(`GUEST_${name}_LIMIT`, 8)}, base=0x${hex(`GUEST_${name}_BASE`, 16)}`

const controlRegister = ({ hex }: Vmcs, name: 'CR0' | 'CR4'): string =>
  `${name}: actual=0x${hex(`GUEST_${name}`, 16)}, shadow=0x${hex(`${name}_READ_SHADOW`, 16)}, gh_mask=${hex(`${name}_GUEST_HOST_MASK`, 16)}`

function guestRegisters(vmcs: Vmcs): readonly string[] {
  const { hex } = vmcs
  return [
    controlRegister(vmcs, 'CR0'),
    controlRegister(vmcs, 'CR4'),
    `CR3 = 0x${hex('GUEST_CR3', 16)}`,
    `PDPTR0 = 0x${hex('GUEST_PDPTR0', 16)}  PDPTR1 = 0x${hex('GUEST_PDPTR1', 16)}`,
    `PDPTR2 = 0x${hex('GUEST_PDPTR2', 16)}  PDPTR3 = 0x${hex('GUEST_PDPTR3', 16)}`,
    `RSP = 0x${hex('GUEST_RSP', 16)}  RIP = 0x${hex('GUEST_RIP', 16)}`,
    `RFLAGS=0x${hex('GUEST_RFLAGS', 8)}         DR7 = 0x${hex('GUEST_DR7', 16)}`,
    `Sysenter RSP=${hex('GUEST_SYSENTER_ESP', 16)} CS:RIP=${hex('GUEST_SYSENTER_CS', 4)}:${hex('GUEST_SYSENTER_EIP', 16)}`,
    ...SEGMENTS.map(name => segment(vmcs, name)),
    table(vmcs, 'GDTR'),
    segment(vmcs, 'LDTR'),
    table(vmcs, 'IDTR'),
    segment(vmcs, 'TR'),
  ]
}

function guestRest(vmcs: Vmcs): readonly string[] {
  const { hex, has } = vmcs
  return [
    ...when(has('VM_ENTRY_LOAD_IA32_EFER'), () => `EFER= 0x${hex('GUEST_IA32_EFER', 16)}`),
    ...when(has('VM_ENTRY_LOAD_IA32_PAT'), () => `PAT = 0x${hex('GUEST_IA32_PAT', 16)}`),
    `DebugCtl = 0x${hex('GUEST_IA32_DEBUGCTL', 16)}  DebugExceptions = 0x${hex('GUEST_PENDING_DBG_EXCEPTIONS', 16)}`,
    `Interruptibility = ${hex('GUEST_INTERRUPTIBILITY_INFO', 8)}  ActivityState = ${hex('GUEST_ACTIVITY_STATE', 8)}`,
    ...when(has('SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY'), () => `InterruptStatus = ${hex('GUEST_INTR_STATUS', 4)}`),
    ...msrArea(vmcs, 'guest autoload', 'VM_ENTRY_MSR_LOAD'),
    ...msrArea(vmcs, 'guest autostore', 'VM_EXIT_MSR_STORE'),
  ]
}

/** Longer lists are cut: nothing keeps a guest from writing any count. */
const MOST_MSRS = 512

function msrArea(
  { read, memory }: Vmcs,
  name: string,
  area: 'VM_ENTRY_MSR_LOAD' | 'VM_EXIT_MSR_STORE' | 'VM_EXIT_MSR_LOAD',
): readonly string[] {
  const count = Math.min(Number(read(`${area}_COUNT`)), MOST_MSRS)
  if (count === 0) return []
  const address = Number(read(`${area}_ADDR`))
  const entries = Array.from({ length: count }, (_, index) => {
    const msr = memory.read32(address + index * 16)
    const value = memory.read64(address + index * 16 + 8)
    return `  ${String(index).padStart(2)}: msr=0x${msr.toString(16).padStart(8, '0')} value=0x${value.toString(16).padStart(16, '0')}`
  })
  return [`MSR ${name}:`, ...entries]
}

function hostState(vmcs: Vmcs): readonly string[] {
  const { hex, has } = vmcs
  const selectors = ['CS', 'SS', 'DS', 'ES', 'FS', 'GS', 'TR'] as const
  return [
    `RIP = 0x${hex('HOST_RIP', 16)}  RSP = 0x${hex('HOST_RSP', 16)}`,
    selectors.map(name => `${name}=${hex(`HOST_${name}_SELECTOR`, 4)}`).join(' '),
    `FSBase=${hex('HOST_FS_BASE', 16)} GSBase=${hex('HOST_GS_BASE', 16)} TRBase=${hex('HOST_TR_BASE', 16)}`,
    `GDTBase=${hex('HOST_GDTR_BASE', 16)} IDTBase=${hex('HOST_IDTR_BASE', 16)}`,
    `CR0=${hex('HOST_CR0', 16)} CR3=${hex('HOST_CR3', 16)} CR4=${hex('HOST_CR4', 16)}`,
    `Sysenter RSP=${hex('HOST_IA32_SYSENTER_ESP', 16)} CS:RIP=${hex('HOST_IA32_SYSENTER_CS', 4)}:${hex('HOST_IA32_SYSENTER_EIP', 16)}`,
    ...when(has('VM_EXIT_LOAD_IA32_EFER'), () => `EFER= 0x${hex('HOST_IA32_EFER', 16)}`),
    ...when(has('VM_EXIT_LOAD_IA32_PAT'), () => `PAT = 0x${hex('HOST_IA32_PAT', 16)}`),
    ...msrArea(vmcs, 'host autoload', 'VM_EXIT_MSR_LOAD'),
  ]
}

function controlWords({ hex }: Vmcs): readonly string[] {
  return [
    `CPUBased=0x${hex('CPU_BASED_VM_EXEC_CONTROL', 8)} SecondaryExec=0x${hex('SECONDARY_VM_EXEC_CONTROL', 8)} ` +
      `TertiaryExec=0x${hex('TERTIARY_VM_EXEC_CONTROL', 16)}`,
    `PinBased=0x${hex('PIN_BASED_VM_EXEC_CONTROL', 8)} EntryControls=${hex('VM_ENTRY_CONTROLS', 8)} ExitControls=${hex('VM_EXIT_CONTROLS', 8)}`,
    `ExceptionBitmap=${hex('EXCEPTION_BITMAP', 8)} PFECmask=${hex('PAGE_FAULT_ERROR_CODE_MASK', 8)} ` +
      `PFECmatch=${hex('PAGE_FAULT_ERROR_CODE_MATCH', 8)}`,
    `VMEntry: intr_info=${hex('VM_ENTRY_INTR_INFO_FIELD', 8)} errcode=${hex('VM_ENTRY_EXCEPTION_ERROR_CODE', 8)} ` +
      `ilen=${hex('VM_ENTRY_INSTRUCTION_LEN', 8)}`,
    `VMExit: intr_info=${hex('VM_EXIT_INTR_INFO', 8)} errcode=${hex('VM_EXIT_INTR_ERROR_CODE', 8)} ilen=${hex('VM_EXIT_INSTRUCTION_LEN', 8)}`,
    `        reason=${hex('VM_EXIT_REASON', 8)} qualification=${hex('EXIT_QUALIFICATION', 16)}`,
    `IDTVectoring: info=${hex('IDT_VECTORING_INFO_FIELD', 8)} errcode=${hex('IDT_VECTORING_ERROR_CODE', 8)}`,
  ]
}

function virtualization(vmcs: Vmcs): readonly string[] {
  const { hex, has } = vmcs
  return [
    `TSC Offset = 0x${hex('TSC_OFFSET', 16)}`,
    ...when(has('SECONDARY_EXEC_TSC_SCALING'), () => `TSC Multiplier = 0x${hex('TSC_MULTIPLIER', 16)}`),
    ...(has('CPU_BASED_TPR_SHADOW') ? virtualApic(vmcs) : []),
    ...when(has('PIN_BASED_POSTED_INTR'), () => `PostedIntrVec = 0x${hex('POSTED_INTR_NV', 2)}`),
    ...when(has('SECONDARY_EXEC_ENABLE_EPT'), () => `EPT pointer = 0x${hex('EPT_POINTER', 16)}`),
    ...when(has('SECONDARY_EXEC_PAUSE_LOOP_EXITING'), () => `PLE Gap=${hex('PLE_GAP', 8)} Window=${hex('PLE_WINDOW', 8)}`),
    ...when(has('SECONDARY_EXEC_ENABLE_VPID'), () => `Virtual processor ID = 0x${hex('VIRTUAL_PROCESSOR_ID', 4)}`),
    ...(has('TERTIARY_EXEC_GUEST_APIC_TIMER') ? guestTimer(vmcs) : []),
  ]
}

function virtualApic({ hex, has }: Vmcs): readonly string[] {
  const status = hex('GUEST_INTR_STATUS', 4)
  const delivery = has('SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY') ? `SVI|RVI = ${status.slice(0, 2)}|${status.slice(2)} ` : ''
  const access = has('SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES') ? `APIC-access addr = 0x${hex('APIC_ACCESS_ADDR', 16)} ` : ''
  return [`${delivery}TPR Threshold = 0x${hex('TPR_THRESHOLD', 2)}`, `${access}virt-APIC addr = 0x${hex('VIRTUAL_APIC_PAGE_ADDR', 16)}`]
}

/** What the series adds, with the tertiary bit set: the physical deadline, the virtual one, the vector. */
const guestTimer = ({ hex }: Vmcs): readonly string[] => [
  `GUEST_DEADLINE_PHY = 0x${hex('GUEST_DEADLINE_PHY', 16)}`,
  `GUEST_DEADLINE_VIR = 0x${hex('GUEST_DEADLINE_VIR', 16)}`,
  `GUEST_APIC_TIMER_VECTOR = 0x${hex('GUEST_APIC_TIMER_VECTOR', 4)}`,
]
