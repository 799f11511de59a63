/** Controls of memory: EPT, VPID, the page-modification log, the APIC-access page, unrestricted guests. */

import { expect } from 'vitest'
import type { ControlName } from '../../../src/spec/vmx-controls.ts'
import { createRig, type Rig, VIRTUAL_APIC } from './rig.ts'
import type { ControlTests } from './verdict.ts'

const SECONDARY: ControlName = 'CPU_BASED_ACTIVATE_SECONDARY_CONTROLS'
const EPT: readonly ControlName[] = [SECONDARY, 'SECONDARY_EXEC_ENABLE_EPT']
const RDI = 7
const EPT_ROOT = 0x30_0000
const WRITE_BACK = 6n << 3n
const LARGE = 0x80n
/** Read, write, execute. */
const ALL = 7n
const FLAGS = 0x40

/** The first 2 MByte and the ones above 4 are mapped one to one; those between are not. */
function mapOneToOne(rig: Rig, pointerBits = 0): void {
  const { memory } = rig.machine
  memory.write64(EPT_ROOT, BigInt(EPT_ROOT + 0x1000) | ALL)
  memory.write64(EPT_ROOT + 0x1000, BigInt(EPT_ROOT + 0x2000) | ALL)
  for (const page of [0, 2, 3]) memory.write64(EPT_ROOT + 0x2000 + page * 8, BigInt(page * 0x20_0000) | WRITE_BACK | LARGE | ALL)
  rig.write('EPT_POINTER', EPT_ROOT | 0x1e | pointerBits)
}

const ACCESS_PAGE = 0x21_6000

export const MEMORY_CONTROLS: ControlTests = {
  SECONDARY_EXEC_ENABLE_EPT: [
    'an address without an EPT entry leaves the guest, with guest-physical and linear address',
    () => {
      const rig = createRig('mov eax, 0x200010\nmov [rax], eax', EPT)
      mapOneToOne(rig)
      expect(rig.exit()).toBe('EXIT_REASON_EPT_VIOLATION')
      expect([rig.read('GUEST_PHYSICAL_ADDRESS'), rig.read('GUEST_LINEAR_ADDRESS')]).toEqual([0x20_0010n, 0x20_0010n])
      expect(rig.read('EXIT_QUALIFICATION') & 0x1ffn).toBe(0x182n)
    },
  ],
  SECONDARY_EXEC_ENABLE_VPID: [
    'the guest runs with an identifier of its own, which must not be 0',
    () => {
      const rig = createRig('nop', [SECONDARY, 'SECONDARY_EXEC_ENABLE_VPID'])
      expect(rig.launch()).toEqual({ kind: 'failed', error: 7 })
      rig.write('VIRTUAL_PROCESSOR_ID', 1)
      expect(rig.exit()).toBe('EXIT_REASON_VMCALL')
    },
  ],
  SECONDARY_EXEC_ENABLE_PML: [
    'a page that becomes dirty is logged; a full log leaves the guest',
    () => {
      const rig = createRig('mov eax, 0x500000\nmov [rax], eax', [...EPT, 'SECONDARY_EXEC_ENABLE_PML'])
      mapOneToOne(rig, FLAGS)
      rig.write('PML_ADDRESS', 0x21_2000)
      rig.write('GUEST_PML_INDEX', 511)
      expect(rig.exit()).toBe('EXIT_REASON_VMCALL')
      const index = Number(rig.read('GUEST_PML_INDEX'))
      const logged = Array.from({ length: 511 - index }, (_, entry) => rig.machine.memory.read64(0x21_2000 + (511 - entry) * 8))
      expect(logged).toContain(0x50_0000n)
      const full = createRig('mov eax, 0x500000\nmov [rax], eax', [...EPT, 'SECONDARY_EXEC_ENABLE_PML'])
      mapOneToOne(full, FLAGS)
      full.write('PML_ADDRESS', 0x21_2000)
      full.write('GUEST_PML_INDEX', 0xffff)
      expect(full.exit()).toBe('EXIT_REASON_PML_FULL')
    },
  ],
  SECONDARY_EXEC_UNRESTRICTED_GUEST: [
    'a guest runs in real mode, enters protected mode and leaves it again, without an exit',
    () => {
      const body = 'bits 16\nmov eax, cr0\nor al, 1\nmov cr0, eax\nmov edi, 0x1234\nand al, 0xfe\nmov cr0, eax'
      const rig = createRig(body, [...EPT, 'SECONDARY_EXEC_UNRESTRICTED_GUEST'])
      mapOneToOne(rig)
      rig.set('VM_ENTRY_IA32E_MODE', false)
      for (const [field, value] of [
        ['GUEST_IA32_EFER', 0],
        ['GUEST_CR0', 0x20],
        ['GUEST_CR4', 0x2000],
      ] as const)
        rig.write(field, value)
      for (const name of ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'] as const) {
        rig.write(`GUEST_${name}_SELECTOR`, name === 'CS' ? 0xffff : 0)
        rig.write(`GUEST_${name}_BASE`, name === 'CS' ? 0xf_fff0 : 0)
        rig.write(`GUEST_${name}_LIMIT`, 0xffff)
        rig.write(`GUEST_${name}_AR_BYTES`, name === 'CS' ? 0x9b : 0x93)
      }
      rig.write('GUEST_RIP', 0x10) // 0xffff0 + 0x10 is where the program lies
      expect([rig.exit(), rig.cpu.gpr(RDI)]).toEqual(['EXIT_REASON_VMCALL', 0x1234n])
      expect(rig.read('GUEST_CR0') & 1n).toBe(0n)
      const restricted = createRig('nop', EPT)
      restricted.write('GUEST_CR0', 0x20)
      mapOneToOne(restricted)
      restricted.launch()
      expect(restricted.read('VM_EXIT_REASON')).toBe(0x8000_0021n)
    },
  ],
  SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES: [
    'accesses to the APIC-access page leave the guest, or go to the virtual-APIC page, as the controls say',
    () => {
      const access = [SECONDARY, 'SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES'] as const
      const start = (body: string, controls: readonly ControlName[] = []): Rig => {
        const rig = createRig(`mov ebx, ${ACCESS_PAGE}\n${body}`, [...access, ...controls])
        rig.write('APIC_ACCESS_ADDR', ACCESS_PAGE)
        rig.machine.memory.write32(VIRTUAL_APIC + 0x80, 0x40)
        return rig
      }
      const exit = (rig: Rig): unknown => [rig.exit(), rig.read('EXIT_QUALIFICATION')]
      expect(exit(start('mov eax, [rbx + 0x80]'))).toEqual(['EXIT_REASON_APIC_ACCESS', 0x80n])
      expect(exit(start('mov [rbx + 0xb0], eax', ['CPU_BASED_TPR_SHADOW']))).toEqual(['EXIT_REASON_APIC_ACCESS', 0x10b0n])
      expect(exit(start('jmp rbx'))).toEqual(['EXIT_REASON_APIC_ACCESS', 0x2000n])
      const shadowed = start('mov edi, [rbx + 0x80]\nmov eax, 0x7770\nmov [rbx + 0x80], eax', ['CPU_BASED_TPR_SHADOW'])
      expect([shadowed.exit(), shadowed.cpu.gpr(RDI)]).toEqual(['EXIT_REASON_VMCALL', 0x40n])
      expect(shadowed.machine.memory.read32(VIRTUAL_APIC + 0x80)).toBe(0x70)
      const registers = start('mov edi, [rbx + 0x30]\nmov eax, 0x10000\nmov [rbx + 0x320], eax\ninc rdi', [
        'CPU_BASED_TPR_SHADOW',
        'SECONDARY_EXEC_APIC_REGISTER_VIRT',
      ])
      registers.machine.memory.write32(VIRTUAL_APIC + 0x30, 0x15)
      expect([...(exit(registers) as unknown[]), registers.cpu.gpr(RDI)]).toEqual(['EXIT_REASON_APIC_WRITE', 0x320n, 0x15n])
      expect(registers.machine.memory.read32(VIRTUAL_APIC + 0x320)).toBe(0x1_0000)
    },
  ],
}
