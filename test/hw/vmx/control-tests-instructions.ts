/** Controls that make instructions leave the guest, or that let them be: with the control the exit, without it none. */

import { expect } from 'vitest'
import type { ExitReason } from '../../../src/spec/exit-reasons.ts'
import type { ControlName } from '../../../src/spec/vmx-controls.ts'
import { createRig, type Rig } from './rig.ts'
import type { ControlTests } from './verdict.ts'

export const SECONDARY: ControlName = 'CPU_BASED_ACTIVATE_SECONDARY_CONTROLS'
const withSecondary = (control: ControlName): readonly ControlName[] => (control.startsWith('SECONDARY') ? [SECONDARY, control] : [control])

const UD = 0x8000_0306n

interface Expected {
  readonly reason: ExitReason
  readonly length?: bigint
  readonly qualification?: bigint
  readonly information?: bigint
}

/** The exit with the control, and that without it the program runs to its VMCALL. */
function leaves(control: ControlName, body: string, expected: Expected, prepare: (rig: Rig) => void = () => {}): () => void {
  return () => {
    const rig = createRig(body, withSecondary(control))
    prepare(rig)
    expect(rig.exit()).toBe(expected.reason)
    if (expected.length !== undefined) expect(rig.read('VM_EXIT_INSTRUCTION_LEN')).toBe(expected.length)
    if (expected.qualification !== undefined) expect(rig.read('EXIT_QUALIFICATION')).toBe(expected.qualification)
    if (expected.information !== undefined) expect(rig.read('VMX_INSTRUCTION_INFO')).toBe(expected.information)
    const without = createRig(body, [SECONDARY])
    prepare(without)
    expect(without.exit()).toBe('EXIT_REASON_VMCALL')
  }
}

/** An instruction that is undefined in the guest without its control. */
function enables(control: ControlName, body: string): () => void {
  return () => {
    expect(createRig(body, [SECONDARY, control]).exit()).toBe('EXIT_REASON_VMCALL')
    const without = createRig(body, [SECONDARY])
    without.write('EXCEPTION_BITMAP', 1 << 6)
    expect(without.exit()).toBe('EXIT_REASON_EXCEPTION_NMI')
    expect(without.read('VM_EXIT_INTR_INFO')).toBe(UD)
  }
}

const bitmapAt = 0x21_8000
const PORT = 0x80

export const INSTRUCTION_CONTROLS: ControlTests = {
  CPU_BASED_HLT_EXITING: [
    'HLT leaves the guest; without the control it waits there',
    () => {
      const rig = createRig('hlt', ['CPU_BASED_HLT_EXITING'])
      expect([rig.exit(), rig.read('VM_EXIT_INSTRUCTION_LEN')]).toEqual(['EXIT_REASON_HLT', 1n])
      const without = createRig('hlt')
      without.launch()
      expect([without.run(), without.machine.cpus[0]!.activity]).toEqual(['idle', 'hlt'])
    },
  ],
  CPU_BASED_INVLPG_EXITING: [
    'INVLPG leaves the guest with the linear address',
    leaves('CPU_BASED_INVLPG_EXITING', 'mov eax, 0x3000\ninvlpg [rax + 8]', {
      reason: 'EXIT_REASON_INVLPG',
      qualification: 0x3008n,
      length: 4n,
    }),
  ],
  CPU_BASED_RDPMC_EXITING: [
    'RDPMC leaves the guest; without the control it raises #GP here, where there are no counters',
    () => {
      expect(createRig('rdpmc', ['CPU_BASED_RDPMC_EXITING']).exit()).toBe('EXIT_REASON_RDPMC')
      const without = createRig('rdpmc')
      without.write('EXCEPTION_BITMAP', 1 << 13)
      expect([without.exit(), without.read('VM_EXIT_INTR_INFO')]).toEqual(['EXIT_REASON_EXCEPTION_NMI', 0x8000_0b0dn])
    },
  ],
  CPU_BASED_RDTSC_EXITING: [
    'RDTSC leaves the guest, and so does RDTSCP with a reason of its own',
    () => {
      leaves('CPU_BASED_RDTSC_EXITING', 'rdtsc', { reason: 'EXIT_REASON_RDTSC', length: 2n })()
      expect(createRig('rdtscp', [SECONDARY, 'SECONDARY_EXEC_ENABLE_RDTSCP', 'CPU_BASED_RDTSC_EXITING']).exit()).toBe('EXIT_REASON_RDTSCP')
    },
  ],
  CPU_BASED_CR3_LOAD_EXITING: [
    'MOV to CR3 leaves the guest, except with a CR3-target value',
    () => {
      const body = 'mov rcx, cr3\nmov cr3, rcx'
      const rig = createRig(body, ['CPU_BASED_CR3_LOAD_EXITING'])
      expect([rig.exit(), rig.read('EXIT_QUALIFICATION')]).toEqual(['EXIT_REASON_CR_ACCESS', 0x103n])
      const target = createRig(body, ['CPU_BASED_CR3_LOAD_EXITING'])
      target.write('CR3_TARGET_COUNT', 2)
      target.write('CR3_TARGET_VALUE1', target.read('GUEST_CR3'))
      expect(target.exit()).toBe('EXIT_REASON_VMCALL')
      const beyond = createRig(body, ['CPU_BASED_CR3_LOAD_EXITING'])
      beyond.write('CR3_TARGET_COUNT', 1)
      beyond.write('CR3_TARGET_VALUE1', beyond.read('GUEST_CR3'))
      expect(beyond.exit()).toBe('EXIT_REASON_CR_ACCESS')
    },
  ],
  CPU_BASED_CR3_STORE_EXITING: [
    'MOV from CR3 leaves the guest with the register that would take it',
    leaves('CPU_BASED_CR3_STORE_EXITING', 'mov r9, cr3', { reason: 'EXIT_REASON_CR_ACCESS', qualification: 0x913n, length: 4n }),
  ],
  CPU_BASED_CR8_LOAD_EXITING: [
    'MOV to CR8 leaves the guest',
    leaves('CPU_BASED_CR8_LOAD_EXITING', 'xor edx, edx\nmov cr8, rdx', { reason: 'EXIT_REASON_CR_ACCESS', qualification: 0x208n }),
  ],
  CPU_BASED_CR8_STORE_EXITING: [
    'MOV from CR8 leaves the guest',
    leaves('CPU_BASED_CR8_STORE_EXITING', 'mov rdx, cr8', { reason: 'EXIT_REASON_CR_ACCESS', qualification: 0x218n }),
  ],
  CPU_BASED_MOV_DR_EXITING: [
    'MOV to and from debug registers leaves the guest: register, direction, general register',
    () => {
      leaves('CPU_BASED_MOV_DR_EXITING', 'mov rbx, dr6', { reason: 'EXIT_REASON_DR_ACCESS', qualification: 0x316n })()
      leaves('CPU_BASED_MOV_DR_EXITING', 'xor ecx, ecx\nmov dr0, rcx', { reason: 'EXIT_REASON_DR_ACCESS', qualification: 0x100n })()
    },
  ],
  CPU_BASED_UNCOND_IO_EXITING: [
    'every IN and OUT leaves the guest, with size, direction and port',
    leaves('CPU_BASED_UNCOND_IO_EXITING', 'mov dx, 0x80\nin al, dx', {
      reason: 'EXIT_REASON_IO_INSTRUCTION',
      qualification: 0x80_0008n,
      length: 1n,
    }),
  ],
  CPU_BASED_USE_IO_BITMAPS: [
    'a port leaves the guest by its bit, and the bitmaps rule over unconditional exiting',
    () => {
      const bitmaps = (rig: Rig, byte: number): void => {
        rig.write('IO_BITMAP_A', bitmapAt)
        rig.write('IO_BITMAP_B', bitmapAt + 0x1000)
        rig.machine.memory.write8(bitmapAt + PORT / 8, byte)
      }
      const rig = createRig('out 0x80, al', ['CPU_BASED_USE_IO_BITMAPS'])
      bitmaps(rig, 1)
      expect([rig.exit(), rig.read('EXIT_QUALIFICATION')]).toEqual(['EXIT_REASON_IO_INSTRUCTION', 0x80_0040n])
      const clear = createRig('out 0x80, al', ['CPU_BASED_USE_IO_BITMAPS', 'CPU_BASED_UNCOND_IO_EXITING'])
      bitmaps(clear, 0)
      expect(clear.exit()).toBe('EXIT_REASON_VMCALL')
    },
  ],
  CPU_BASED_USE_MSR_BITMAPS: [
    'an MSR leaves the guest by its bit; without bitmaps every one does',
    () => {
      const body = 'mov ecx, 0xc0000082\nrdmsr'
      expect(createRig(body, ['CPU_BASED_USE_MSR_BITMAPS']).exit()).toBe('EXIT_REASON_VMCALL')
      const rig = createRig(body, ['CPU_BASED_USE_MSR_BITMAPS'])
      rig.machine.memory.write8(Number(rig.read('MSR_BITMAP')) + 1024 + (0x82 >> 3), 1 << 2)
      expect(rig.exit()).toBe('EXIT_REASON_MSR_READ')
      expect(createRig(body).exit()).toBe('EXIT_REASON_MSR_READ')
    },
  ],
  CPU_BASED_MWAIT_EXITING: [
    'MWAIT leaves the guest, with the monitor armed or not',
    leaves('CPU_BASED_MWAIT_EXITING', 'xor ecx, ecx\nmwait', { reason: 'EXIT_REASON_MWAIT_INSTRUCTION', length: 3n, qualification: 0n }),
  ],
  CPU_BASED_MONITOR_EXITING: [
    'MONITOR leaves the guest',
    leaves('CPU_BASED_MONITOR_EXITING', 'xor ecx, ecx\nmov eax, 0x7000\nmonitor', {
      reason: 'EXIT_REASON_MONITOR_INSTRUCTION',
      length: 3n,
    }),
  ],
  CPU_BASED_PAUSE_EXITING: [
    'PAUSE leaves the guest',
    leaves('CPU_BASED_PAUSE_EXITING', 'pause', { reason: 'EXIT_REASON_PAUSE_INSTRUCTION', length: 2n }),
  ],
  CPU_BASED_ACTIVATE_SECONDARY_CONTROLS: [
    'the secondary controls count only where they are activated',
    () => {
      const rig = createRig('wbinvd', [SECONDARY, 'SECONDARY_EXEC_WBINVD_EXITING'])
      expect(rig.exit()).toBe('EXIT_REASON_WBINVD')
      const without = createRig('wbinvd', ['SECONDARY_EXEC_WBINVD_EXITING'])
      expect(without.exit()).toBe('EXIT_REASON_VMCALL')
    },
  ],
  SECONDARY_EXEC_DESC: [
    'LGDT, SGDT, LLDT, STR and the like leave the guest with what they are and their operand',
    () => {
      // LGDT [RAX+16]: identity 2 in 29:28, base RAX, no index, DS, 64-bit addresses.
      leaves('SECONDARY_EXEC_DESC', 'mov rax, 0x7000\nsgdt [rax + 16]', {
        reason: 'EXIT_REASON_GDTR_IDTR',
        qualification: 16n,
        information: BigInt((2 << 7) | (3 << 15) | (1 << 22)),
      })()
      // STR EBX: register form (bit 10), register 3, identity 1.
      leaves('SECONDARY_EXEC_DESC', 'str ebx', { reason: 'EXIT_REASON_LDTR_TR', information: BigInt((1 << 10) | (3 << 3) | (1 << 28)) })()
    },
  ],
  SECONDARY_EXEC_ENABLE_RDTSCP: ['RDTSCP is undefined without it', enables('SECONDARY_EXEC_ENABLE_RDTSCP', 'rdtscp')],
  SECONDARY_EXEC_WBINVD_EXITING: [
    'WBINVD leaves the guest',
    leaves('SECONDARY_EXEC_WBINVD_EXITING', 'wbinvd', { reason: 'EXIT_REASON_WBINVD' }),
  ],
  SECONDARY_EXEC_PAUSE_LOOP_EXITING: [
    'PAUSEs closer than the gap leave the guest when they last longer than the window',
    () => {
      const rig = createRig('.wait: inc rdi\npause\njmp .wait', [SECONDARY, 'SECONDARY_EXEC_PAUSE_LOOP_EXITING'])
      rig.write('PLE_GAP', 500)
      rig.write('PLE_WINDOW', 4096)
      expect(rig.exit()).toBe('EXIT_REASON_PAUSE_INSTRUCTION')
      expect(rig.cpu.gpr(7)).toBeGreaterThan(10n)
    },
  ],
  SECONDARY_EXEC_RDRAND_EXITING: [
    'RDRAND leaves the guest with its register and size',
    leaves('SECONDARY_EXEC_RDRAND_EXITING', 'rdrand r10', { reason: 'EXIT_REASON_RDRAND', information: BigInt((10 << 3) | (2 << 11)) }),
  ],
  SECONDARY_EXEC_RDSEED_EXITING: [
    'RDSEED leaves the guest with its register and size',
    leaves('SECONDARY_EXEC_RDSEED_EXITING', 'rdseed cx', { reason: 'EXIT_REASON_RDSEED', information: BigInt(1 << 3) }),
  ],
  SECONDARY_EXEC_ENABLE_INVPCID: [
    'INVPCID is undefined without it',
    enables('SECONDARY_EXEC_ENABLE_INVPCID', 'mov eax, 2\npush 0\npush 0\ninvpcid rax, [rsp]'),
  ],
  SECONDARY_EXEC_ENABLE_XSAVES: [
    'XSAVES is undefined without it',
    enables(
      'SECONDARY_EXEC_ENABLE_XSAVES',
      'mov rax, cr4\nor eax, 1 << 18\nmov cr4, rax\nxor edx, edx\nxor eax, eax\nmov edi, 0x7000\nxsaves [rdi]',
    ),
  ],
  SECONDARY_EXEC_ENABLE_VMFUNC: [
    'VMFUNC is undefined without it; a function that is not enabled leaves the guest',
    () => {
      const body = 'xor eax, eax\nxor ecx, ecx\nvmfunc'
      expect(createRig(body, [SECONDARY, 'SECONDARY_EXEC_ENABLE_VMFUNC']).exit()).toBe('EXIT_REASON_VMFUNC')
      const without = createRig(body, [SECONDARY])
      without.write('EXCEPTION_BITMAP', 1 << 6)
      expect([without.exit(), without.read('VM_EXIT_INTR_INFO')]).toEqual(['EXIT_REASON_EXCEPTION_NMI', UD])
    },
  ],
  SECONDARY_EXEC_SHADOW_VMCS: [
    'VMREAD and VMWRITE go to the shadow VMCS where the bitmaps let them, without an exit',
    () => {
      const SHADOW = 0x21_4000
      const BITMAPS = 0x21_5000
      const GUEST_RIP = 0x681e
      const body = `mov eax, ${GUEST_RIP}\nmov ecx, 0x1234\nvmwrite rax, rcx\nvmread rdi, rax\nmov eax, 0x6820\nvmread rsi, rax`
      const rig = createRig(body, [SECONDARY, 'SECONDARY_EXEC_SHADOW_VMCS'])
      rig.write('VMREAD_BITMAP', BITMAPS)
      rig.write('VMWRITE_BITMAP', BITMAPS + 0x1000)
      rig.machine.memory.write8(BITMAPS + (0x6820 >> 3), 1) // RFLAGS is the host's to read
      rig.machine.memory.write32(SHADOW, 0x8000_0001)
      rig.write('VMCS_LINK_POINTER', SHADOW)
      expect(rig.exit()).toBe('EXIT_REASON_VMREAD')
      expect(rig.cpu.gpr(7)).toBe(0x1234n)
      rig.cpu.vmptrld(SHADOW)
      expect(rig.read('GUEST_RIP')).toBe(0x1234n)
      expect(rig.cpu.vmlaunch()).toEqual({ kind: 'invalid' })
    },
  ],
}
