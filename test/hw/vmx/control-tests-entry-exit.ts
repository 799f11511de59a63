/** VM-entry and VM-exit controls: what is loaded, saved and acknowledged on the way in and out. */

import { expect } from 'vitest'
import { MSRS } from '../../../src/spec/msrs.ts'
import { createRig, type Rig } from './rig.ts'
import type { ControlTests } from './verdict.ts'

const RDI = 7
const PAT = MSRS.MSR_IA32_CR_PAT.index
const EFER = MSRS.MSR_EFER.index
const PAT_AT_RESET = 0x0007_0406_0007_0406n
const OTHER_PAT = 0x0000_0000_0000_0606n
const READ_PAT = 'mov ecx, 0x277\nrdmsr\nshl rdx, 32\nor rax, rdx\nmov rdi, rax'
const SET_SCE = 'mov ecx, 0xc0000080\nrdmsr\nor eax, 1\nwrmsr'
const BITMAPS = 'CPU_BASED_USE_MSR_BITMAPS'

const run = (rig: Rig): Rig => {
  expect(rig.exit()).toBe('EXIT_REASON_VMCALL')
  return rig
}

export const ENTRY_AND_EXIT_CONTROLS: ControlTests = {
  VM_EXIT_SAVE_DEBUG_CONTROLS: [
    'the exit saves DR7',
    () => {
      const body = 'mov eax, 0x600\nmov dr7, rax'
      expect(run(createRig(body, ['VM_EXIT_SAVE_DEBUG_CONTROLS'])).read('GUEST_DR7')).toBe(0x600n)
      const without = createRig(body)
      without.set('VM_EXIT_SAVE_DEBUG_CONTROLS', false)
      expect(run(without).read('GUEST_DR7')).toBe(0x400n)
    },
  ],
  VM_ENTRY_LOAD_DEBUG_CONTROLS: [
    'the entry loads DR7',
    () => {
      const rig = createRig('mov rdi, dr7', ['VM_ENTRY_LOAD_DEBUG_CONTROLS'])
      rig.write('GUEST_DR7', 0x500)
      expect(run(rig).cpu.gpr(RDI)).toBe(0x500n)
      const without = createRig('mov rdi, dr7')
      without.set('VM_ENTRY_LOAD_DEBUG_CONTROLS', false)
      without.write('GUEST_DR7', 0x500)
      expect(run(without).cpu.gpr(RDI)).toBe(0x400n)
    },
  ],
  VM_EXIT_HOST_ADDR_SPACE_SIZE: [
    'the host continues in 64-bit mode; without it, from protected mode, in 32-bit mode',
    () => {
      const rig = run(createRig('nop'))
      expect(rig.machine.cpus[0]!.segments[1]!.accessRights).toBe(0xa09b)
      const narrow = createRig('bits 32\nnop')
      for (const name of ['VM_EXIT_HOST_ADDR_SPACE_SIZE', 'VM_ENTRY_IA32E_MODE'] as const) narrow.set(name, false)
      narrow.machine.cpus[0]!.msrs[EFER] = 0n
      for (const [field, value] of [
        ['HOST_SS_SELECTOR', 0x18],
        ['GUEST_IA32_EFER', 0],
        ['GUEST_CR4', 0x2000],
        ['GUEST_CR0', 0x8000_0031n],
        ['GUEST_CS_AR_BYTES', 0xc09b],
        ['GUEST_CR3', 0x31_0000],
      ] as const)
        narrow.write(field, value)
      narrow.machine.memory.write32(0x31_0000, 0x31_1003) // 32-bit paging: the first 4 MBytes, one to one
      for (let page = 0; page < 1024; page++) narrow.machine.memory.write32(0x31_1000 + page * 4, page * 4096 + 3)
      expect(run(narrow).machine.cpus[0]!.segments[1]!.accessRights).toBe(0xc09b)
    },
  ],
  VM_EXIT_ACK_INTR_ON_EXIT: [
    'the interrupt that leaves the guest is acknowledged; without it, it stays pending',
    () => {
      const body = '.wait: jmp .wait'
      const rig = createRig(body, ['PIN_BASED_EXT_INTR_MASK'])
      rig.cpu.wrmsr(0x83f, 0x55n)
      rig.exit()
      expect([rig.read('VM_EXIT_INTR_INFO'), rig.cpu.interruptPending()]).toEqual([0x8000_0055n, false])
      const without = createRig(body, ['PIN_BASED_EXT_INTR_MASK'])
      without.set('VM_EXIT_ACK_INTR_ON_EXIT', false)
      without.cpu.wrmsr(0x83f, 0x55n)
      without.exit()
      expect([without.read('VM_EXIT_INTR_INFO'), without.cpu.interruptPending()]).toEqual([0n, true])
    },
  ],
  VM_EXIT_SAVE_IA32_PAT: [
    'the exit saves IA32_PAT',
    () => {
      const rig = createRig('nop', ['VM_EXIT_SAVE_IA32_PAT'])
      expect(run(rig).read('GUEST_IA32_PAT')).toBe(rig.cpu.rdmsr(PAT))
      expect(run(createRig('nop')).read('GUEST_IA32_PAT')).toBe(0n)
    },
  ],
  VM_EXIT_LOAD_IA32_PAT: [
    "the exit loads the host's IA32_PAT",
    () => {
      const rig = createRig('nop', ['VM_EXIT_LOAD_IA32_PAT'])
      rig.write('HOST_IA32_PAT', OTHER_PAT)
      expect(run(rig).cpu.rdmsr(PAT)).toBe(OTHER_PAT)
      expect(run(createRig('nop')).cpu.rdmsr(PAT)).toBe(PAT_AT_RESET)
    },
  ],
  VM_ENTRY_LOAD_IA32_PAT: [
    'the entry loads IA32_PAT',
    () => {
      const rig = createRig(READ_PAT, ['VM_ENTRY_LOAD_IA32_PAT', BITMAPS])
      rig.write('GUEST_IA32_PAT', OTHER_PAT)
      expect(run(rig).cpu.gpr(RDI)).toBe(OTHER_PAT)
      expect(run(createRig(READ_PAT, [BITMAPS])).cpu.gpr(RDI)).toBe(PAT_AT_RESET)
    },
  ],
  VM_EXIT_SAVE_IA32_EFER: [
    'the exit saves IA32_EFER',
    () => {
      const rig = createRig(SET_SCE, ['VM_EXIT_SAVE_IA32_EFER', BITMAPS])
      const before = rig.read('GUEST_IA32_EFER')
      expect(run(rig).read('GUEST_IA32_EFER')).toBe(before | 1n)
      const without = createRig(SET_SCE, [BITMAPS])
      expect(run(without).read('GUEST_IA32_EFER')).toBe(before)
    },
  ],
  VM_EXIT_LOAD_IA32_EFER: [
    "the exit loads the host's IA32_EFER",
    () => {
      const rig = createRig('nop', ['VM_EXIT_LOAD_IA32_EFER'])
      rig.write('HOST_IA32_EFER', 0x501)
      expect(run(rig).cpu.rdmsr(EFER)).toBe(0x501n)
      const without = createRig('nop')
      expect(run(without).cpu.rdmsr(EFER)).toBe(without.read('GUEST_IA32_EFER'))
    },
  ],
  VM_ENTRY_LOAD_IA32_EFER: [
    'the entry loads IA32_EFER',
    () => {
      const body = 'mov ecx, 0xc0000080\nrdmsr\nmov edi, eax'
      const rig = createRig(body, [BITMAPS])
      rig.write('GUEST_IA32_EFER', 0x501)
      expect(run(rig).cpu.gpr(RDI)).toBe(0x501n)
      const without = createRig(body, [BITMAPS])
      without.set('VM_ENTRY_LOAD_IA32_EFER', false)
      without.write('GUEST_IA32_EFER', 0x501)
      expect(run(without).cpu.gpr(RDI)).toBe(0xd01n) // the host's, with LMA and LME by the entry control
    },
  ],
  VM_ENTRY_IA32E_MODE: [
    'the guest is in IA-32e mode: without the control its IA32_EFER.LMA must be 0',
    () => {
      run(createRig('nop'))
      const rig = createRig('nop')
      rig.set('VM_ENTRY_IA32E_MODE', false)
      rig.launch()
      expect(rig.read('VM_EXIT_REASON')).toBe(0x8000_0021n)
    },
  ],
  VM_EXIT_SAVE_VMX_PREEMPTION_TIMER: [
    'the exit saves what the timer has left',
    () => {
      const controls = ['PIN_BASED_VMX_PREEMPTION_TIMER'] as const
      const body = 'mov ecx, 100\n.wait: pause\nloop .wait'
      const rig = createRig(body, [...controls, 'VM_EXIT_SAVE_VMX_PREEMPTION_TIMER'])
      rig.write('VMX_PREEMPTION_TIMER_VALUE', 100_000)
      const left = run(rig).read('VMX_PREEMPTION_TIMER_VALUE')
      expect(left < 100_000n && left > 90_000n).toBe(true)
      const without = createRig(body, controls)
      without.write('VMX_PREEMPTION_TIMER_VALUE', 100_000)
      expect(run(without).read('VMX_PREEMPTION_TIMER_VALUE')).toBe(100_000n)
    },
  ],
}
