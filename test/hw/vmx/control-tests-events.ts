/** Controls of events: interrupts, NMIs, timers, windows, the monitor trap flag, and the virtual APIC. */

import { expect } from 'vitest'
import type { ControlName } from '../../../src/spec/vmx-controls.ts'
import { createRig, TIMER_CONTROLS, VIRTUAL_APIC } from './rig.ts'
import type { ControlTests } from './verdict.ts'

const SECONDARY: ControlName = 'CPU_BASED_ACTIVATE_SECONDARY_CONTROLS'
const RDI = 7
const SPIN = '.wait: pause\njmp .wait'
const SELF_IPI = 0x83f
const DESCRIPTOR = 0x20_9000
const VTPR = 0x80
const VIRR = 0x200
const TSC_OFFSET = 1n << 45n

/** TSC values in RDI. */
const READ_TSC = 'rdtsc\nshl rdx, 32\nor rax, rdx\nmov rdi, rax'

export const EVENT_CONTROLS: ControlTests = {
  PIN_BASED_EXT_INTR_MASK: [
    'an external interrupt leaves the guest, though its interrupts are off',
    () => {
      const rig = createRig(SPIN, ['PIN_BASED_EXT_INTR_MASK'])
      rig.cpu.wrmsr(SELF_IPI, 0x55n)
      expect([rig.exit(), rig.read('VM_EXIT_INTR_INFO')]).toEqual(['EXIT_REASON_EXTERNAL_INTERRUPT', 0x8000_0055n])
      const without = createRig(SPIN)
      without.cpu.wrmsr(SELF_IPI, 0x55n)
      without.launch()
      expect(without.run(100)).toBe('budget')
    },
  ],
  PIN_BASED_NMI_EXITING: [
    'an NMI leaves the guest',
    () => {
      const rig = createRig('nop', ['PIN_BASED_NMI_EXITING'])
      rig.machine.cpus[0]!.nmiPending = true
      expect([rig.exit(), rig.read('VM_EXIT_INTR_INFO')]).toEqual(['EXIT_REASON_EXCEPTION_NMI', 0x8000_0202n])
    },
  ],
  PIN_BASED_VIRTUAL_NMIS: [
    'blocking by NMI is the virtual one: the guest keeps it, and a physical NMI leaves the guest all the same',
    () => {
      const rig = createRig('nop', ['PIN_BASED_NMI_EXITING', 'PIN_BASED_VIRTUAL_NMIS'])
      rig.write('GUEST_INTERRUPTIBILITY_INFO', 8)
      rig.machine.cpus[0]!.nmiPending = true
      expect([rig.exit(), rig.read('GUEST_INTERRUPTIBILITY_INFO')]).toEqual(['EXIT_REASON_EXCEPTION_NMI', 8n])
      const without = createRig('nop', ['PIN_BASED_NMI_EXITING'])
      without.write('GUEST_INTERRUPTIBILITY_INFO', 8)
      without.machine.cpus[0]!.nmiPending = true
      expect(without.exit()).toBe('EXIT_REASON_VMCALL')
    },
  ],
  PIN_BASED_VMX_PREEMPTION_TIMER: [
    'the guest is left when the timer has counted down',
    () => {
      const rig = createRig(SPIN, ['PIN_BASED_VMX_PREEMPTION_TIMER'])
      rig.write('VMX_PREEMPTION_TIMER_VALUE', 1000)
      const from = rig.machine.tick
      expect(rig.exit()).toBe('EXIT_REASON_PREEMPTION_TIMER')
      expect(rig.machine.tick - from).toBeGreaterThan(999 * 32)
    },
  ],
  PIN_BASED_POSTED_INTR: [
    'the notification vector posts what the descriptor holds, without an exit',
    () => {
      const rig = createRig(SPIN, [...TIMER_CONTROLS, 'PIN_BASED_POSTED_INTR'])
      rig.write('POSTED_INTR_NV', 0xf2)
      rig.write('POSTED_INTR_DESC_ADDR', DESCRIPTOR)
      rig.machine.memory.write32(DESCRIPTOR + 8, 1 << 5)
      rig.cpu.wrmsr(SELF_IPI, 0xf2n)
      rig.launch()
      expect(rig.run(50)).toBe('budget')
      expect(rig.machine.memory.read32(VIRTUAL_APIC + VIRR + (2 << 4))).toBe(1 << 5)
    },
  ],
  CPU_BASED_INTR_WINDOW_EXITING: [
    'the guest is left when interrupts are open: one instruction after STI',
    () => {
      const rig = createRig('sti\ninc rdi\ninc rdi', ['CPU_BASED_INTR_WINDOW_EXITING'])
      expect([rig.exit(), rig.cpu.gpr(RDI)]).toEqual(['EXIT_REASON_INTERRUPT_WINDOW', 1n])
    },
  ],
  CPU_BASED_NMI_WINDOW_EXITING: [
    'the guest is left when virtual NMIs are not blocked',
    () => {
      const controls = ['PIN_BASED_NMI_EXITING', 'PIN_BASED_VIRTUAL_NMIS', 'CPU_BASED_NMI_WINDOW_EXITING'] as const
      expect(createRig('nop', controls).exit()).toBe('EXIT_REASON_NMI_WINDOW')
      const blocked = createRig('nop', controls)
      blocked.write('GUEST_INTERRUPTIBILITY_INFO', 8)
      expect(blocked.exit()).toBe('EXIT_REASON_VMCALL')
    },
  ],
  CPU_BASED_MONITOR_TRAP_FLAG: [
    'the guest is left after each instruction, and after an injected event before the first',
    () => {
      const rig = createRig('inc rdi\ninc rdi', ['CPU_BASED_MONITOR_TRAP_FLAG'])
      expect([rig.exit(), rig.cpu.gpr(RDI)]).toEqual(['EXIT_REASON_MONITOR_TRAP_FLAG', 1n])
      const injected = createRig('set_gate 6, there\nload_idt\nvmcall\nthere: inc rdi', [])
      injected.exit()
      injected.set('CPU_BASED_MONITOR_TRAP_FLAG', true)
      injected.write('VM_ENTRY_INTR_INFO_FIELD', 0x8000_0306)
      expect([injected.exit(true), injected.cpu.gpr(RDI)]).toEqual(['EXIT_REASON_MONITOR_TRAP_FLAG', 0n])
    },
  ],
  CPU_BASED_USE_TSC_OFFSETTING: [
    'RDTSC gives the TSC plus the offset',
    () => {
      const rig = createRig(READ_TSC, ['CPU_BASED_USE_TSC_OFFSETTING'])
      rig.write('TSC_OFFSET', TSC_OFFSET)
      rig.exit()
      const without = createRig(READ_TSC)
      without.exit()
      expect(rig.cpu.gpr(RDI) - without.cpu.gpr(RDI)).toBe(TSC_OFFSET)
    },
  ],
  SECONDARY_EXEC_TSC_SCALING: [
    'with offsetting, RDTSC gives the scaled TSC plus the offset',
    () => {
      const controls = ['CPU_BASED_USE_TSC_OFFSETTING', SECONDARY] as const
      const rig = createRig(READ_TSC, [...controls, 'SECONDARY_EXEC_TSC_SCALING'])
      rig.write('TSC_MULTIPLIER', 3n << 47n)
      rig.exit()
      const without = createRig(READ_TSC, controls)
      without.exit()
      expect(rig.cpu.gpr(RDI)).toBe((without.cpu.gpr(RDI) * 3n) / 2n)
    },
  ],
  CPU_BASED_TPR_SHADOW: [
    'MOV to CR8 goes to the virtual-APIC page, and leaves the guest when it falls below the threshold',
    () => {
      const rig = createRig('mov eax, 9\nmov cr8, rax\nmov rdi, cr8\nmov eax, 2\nmov cr8, rax', ['CPU_BASED_TPR_SHADOW'])
      rig.machine.memory.write32(VIRTUAL_APIC + VTPR, 0x50)
      rig.write('TPR_THRESHOLD', 5)
      expect([rig.exit(), rig.cpu.gpr(RDI)]).toEqual(['EXIT_REASON_TPR_BELOW_THRESHOLD', 9n])
      expect(rig.machine.memory.read32(VIRTUAL_APIC + VTPR)).toBe(0x20)
      expect(rig.read('GUEST_RIP')).toBe(0x100000n + 5n + 4n + 4n + 5n + 4n)
    },
  ],
  SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE: [
    'RDMSR and WRMSR of the TPR go to the virtual-APIC page',
    () => {
      const body = 'mov ecx, 0x808\nmov eax, 0x30\nxor edx, edx\nwrmsr\nrdmsr\nmov edi, eax'
      const rig = createRig(body, [SECONDARY, 'CPU_BASED_USE_MSR_BITMAPS', 'CPU_BASED_TPR_SHADOW', 'SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE'])
      expect([rig.exit(), rig.cpu.gpr(RDI)]).toEqual(['EXIT_REASON_VMCALL', 0x30n])
      expect(rig.machine.memory.read32(VIRTUAL_APIC + VTPR)).toBe(0x30)
    },
  ],
  SECONDARY_EXEC_APIC_REGISTER_VIRT: [
    'reads of the other x2APIC registers come from the virtual-APIC page',
    () => {
      const rig = createRig('mov ecx, 0x803\nrdmsr\nmov edi, eax', TIMER_CONTROLS)
      rig.machine.memory.write32(VIRTUAL_APIC + 0x30, 0x1234)
      expect([rig.exit(), rig.cpu.gpr(RDI)]).toEqual(['EXIT_REASON_VMCALL', 0x1234n])
    },
  ],
  SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY: [
    'a requested virtual interrupt is delivered without an exit',
    () => {
      const rig = createRig('set_gate 0x61, there\nload_idt\nsti\nnop\n.wait: jmp .wait\nthere: inc rdi\nvmcall', TIMER_CONTROLS)
      rig.machine.memory.write32(VIRTUAL_APIC + VIRR + (3 << 4), 1 << 1)
      rig.write('GUEST_INTR_STATUS', 0x61)
      expect([rig.exit(), rig.cpu.gpr(RDI)]).toEqual(['EXIT_REASON_VMCALL', 1n])
      expect(rig.read('GUEST_INTR_STATUS')).toBe(0x6100n)
    },
  ],
  CPU_BASED_ACTIVATE_TERTIARY_CONTROLS: [
    'the tertiary controls count only where they are activated',
    () => {
      const rig = createRig('nop', TIMER_CONTROLS)
      rig.write('GUEST_APIC_TIMER_VECTOR', 0x1ec)
      expect(rig.launch()).toEqual({ kind: 'failed', error: 7 })
      rig.set('CPU_BASED_ACTIVATE_TERTIARY_CONTROLS', false)
      expect(rig.exit()).toBe('EXIT_REASON_VMCALL')
    },
  ],
  TERTIARY_EXEC_GUEST_APIC_TIMER: [
    'a past deadline requests the virtual timer vector, without an exit',
    () => {
      const rig = createRig('mov ecx, 0x6e0\nmov eax, 1\nxor edx, edx\nwrmsr', TIMER_CONTROLS)
      expect(rig.exit()).toBe('EXIT_REASON_VMCALL')
      expect(rig.read('GUEST_INTR_STATUS')).toBe(0xecn)
    },
  ],
}
