/** IRET and the blocking of NMIs (Intel SDM, "Changes to Instruction Behavior in VMX Non-Root Operation", "Handling Multiple NMIs"). */

import { describe, expect, test } from 'vitest'
import type { ControlName } from '../../../src/spec/vmx-controls.ts'
import { createRig, type Rig } from './rig.ts'

const RDI = 7
const BLOCKED_NMI = 8
const VIRTUAL_NMIS: readonly ControlName[] = ['PIN_BASED_NMI_EXITING', 'PIN_BASED_VIRTUAL_NMIS']
const SECONDARY: readonly ControlName[] = ['CPU_BASED_ACTIVATE_SECONDARY_CONTROLS', 'SECONDARY_EXEC_ENABLE_EPT']

/** IRET to a selector beyond the GDT: #GP with that selector. Its fault leaves the guest. */
const FAULTS = 'push 0x10\npush 0\npushfq\npush 0x7ff8\npush 0\niretq'
const GP = { selector: 0x7ff8n, bitmap: 1 << 13, information: 0x8000_0b0dn }
const NMI_UNBLOCKING = 0x1000n

const blocked = (body: string, controls: readonly ControlName[], blocking = BLOCKED_NMI): Rig => {
  const rig = createRig(body, controls)
  rig.write('GUEST_INTERRUPTIBILITY_INFO', blocking)
  return rig
}

describe('an IRET whose fault leaves the guest', () => {
  test.each([
    ['unblocks NMIs, and says so', [], BLOCKED_NMI, NMI_UNBLOCKING, 0n],
    ['says nothing where they were not blocked', [], 0, 0n, 0n],
    ['unblocks virtual NMIs, and says so', VIRTUAL_NMIS, BLOCKED_NMI, NMI_UNBLOCKING, 0n],
    ['says nothing where virtual NMIs were not blocked', VIRTUAL_NMIS, 0, 0n, 0n],
  ] as const)('%s', (_, controls, blocking, unblocking, after) => {
    const rig = blocked(FAULTS, controls, blocking)
    rig.write('EXCEPTION_BITMAP', GP.bitmap)
    expect(rig.exit()).toBe('EXIT_REASON_EXCEPTION_NMI')
    expect([rig.read('VM_EXIT_INTR_INFO'), rig.read('VM_EXIT_INTR_ERROR_CODE')]).toEqual([GP.information | unblocking, GP.selector])
    expect(rig.read('GUEST_INTERRUPTIBILITY_INFO')).toBe(after)
  })
  test('does so in virtual-8086 mode, where it needs IOPL 3', () => {
    const rig = blocked('bits 16\niret', [])
    enterVirtual8086(rig)
    rig.write('EXCEPTION_BITMAP', GP.bitmap)
    expect([rig.exit(), rig.read('VM_EXIT_INTR_INFO')]).toEqual(['EXIT_REASON_EXCEPTION_NMI', GP.information | NMI_UNBLOCKING])
    expect([rig.read('GUEST_INTERRUPTIBILITY_INFO'), rig.read('VM_EXIT_INTR_ERROR_CODE')]).toEqual([0n, 0n])
  })
})

test('where NMIs leave the guest and it has no virtual ones, IRET leaves their blocking alone', () => {
  const returns = 'push 0x10\npush rsp\nadd qword [rsp], 8\npushfq\npush 0x08\nlea rax, [there]\npush rax\niretq\nthere: inc rdi'
  for (const [controls, after] of [
    [['PIN_BASED_NMI_EXITING'], 8n],
    [VIRTUAL_NMIS, 0n],
    [[], 0n],
  ] as const) {
    const rig = blocked(returns, controls)
    expect([rig.exit(), rig.cpu.gpr(RDI), rig.read('GUEST_INTERRUPTIBILITY_INFO')]).toEqual(['EXIT_REASON_VMCALL', 1n, after])
  }
})

test("a fault that the guest handles has unblocked NMIs, and is not the next exit's", () => {
  const rig = blocked(`set_gate 13, there\nload_idt\n${FAULTS}\nthere: inc rdi\nud2`, [])
  rig.write('EXCEPTION_BITMAP', 1 << 6)
  expect([rig.exit(), rig.cpu.gpr(RDI)]).toEqual(['EXIT_REASON_EXCEPTION_NMI', 1n])
  expect([rig.read('VM_EXIT_INTR_INFO'), rig.read('GUEST_INTERRUPTIBILITY_INFO')]).toEqual([0x8000_0306n, 0n])
})

describe('an IRET whose access leaves the guest', () => {
  const EPT_ROOT = 0x30_0000
  const MAPS = 0xb7n
  /** The first 2 MByte and those above 4 one to one, and not those between. */
  const withEpt = (body: string, controls: readonly ControlName[], blocking: number): Rig => {
    const rig = blocked(body, [...SECONDARY, ...controls], blocking)
    const { memory } = rig.machine
    memory.write64(EPT_ROOT, BigInt(EPT_ROOT + 0x1007))
    memory.write64(EPT_ROOT + 0x1000, BigInt(EPT_ROOT + 0x2007))
    for (const page of [0, 2]) memory.write64(EPT_ROOT + 0x2000 + 8 * page, BigInt(page * 0x20_0000) | MAPS)
    rig.write('EPT_POINTER', EPT_ROOT | 0x5e)
    return rig
  }
  const CONTROLS = [{ controls: [] }, { controls: VIRTUAL_NMIS }] as const

  test.each(CONTROLS)('an EPT violation, with $controls', ({ controls }) => {
    for (const [blocking, unblocking] of [
      [BLOCKED_NMI, NMI_UNBLOCKING],
      [0, 0n],
    ] as const) {
      const rig = withEpt('mov esp, 0x200010\niretq', controls, blocking)
      expect([rig.exit(), rig.read('EXIT_QUALIFICATION') & ~0x7fn]).toEqual(['EXIT_REASON_EPT_VIOLATION', 0x180n | unblocking])
      expect([rig.read('GUEST_PHYSICAL_ADDRESS'), rig.read('GUEST_INTERRUPTIBILITY_INFO')]).toEqual([0x20_0010n, 0n])
    }
  })
  test('not the next fetch, when the IRET is complete', () => {
    const rig = withEpt('push 0x10\npush 0\npushfq\npush 0x08\npush 0x200010\niretq', VIRTUAL_NMIS, BLOCKED_NMI)
    expect([rig.exit(), rig.read('EXIT_QUALIFICATION')]).toEqual(['EXIT_REASON_EPT_VIOLATION', 0x184n])
  })
  test.each(CONTROLS)('a full page-modification log, with $controls', ({ controls }) => {
    // Loading CS sets the accessed flag of its descriptor, whose page is clean; the log has room for one page before.
    const rig = withEpt('push 0x10\npush rsp\npushfq\npush 0x08\npush 0\niretq', [...controls, 'SECONDARY_EXEC_ENABLE_PML'], BLOCKED_NMI)
    rig.write('GUEST_GDTR_BASE', 0x40_0000)
    rig.machine.memory.write64(0x40_0008, 0x0020_9a00_0000_0000n)
    rig.machine.memory.write64(0x40_0010, 0x0000_9200_0000_0000n)
    rig.write('PML_ADDRESS', 0x21_2000)
    rig.write('GUEST_PML_INDEX', 0)
    expect([rig.exit(), rig.read('EXIT_QUALIFICATION')]).toEqual(['EXIT_REASON_PML_FULL', NMI_UNBLOCKING])
    expect([rig.read('GUEST_PML_INDEX'), rig.read('GUEST_INTERRUPTIBILITY_INFO')]).toEqual([0xffffn, 0n])
  })
})

/** At 0x100000, with 32-bit paging that maps the first 4 MByte for users. */
function enterVirtual8086(rig: Rig): void {
  rig.set('VM_ENTRY_IA32E_MODE', false)
  rig.machine.memory.write32(0x20_5000, 0x87)
  const fields = { GUEST_IA32_EFER: 0, GUEST_CR3: 0x20_5000, GUEST_CR4: 0x2010, GUEST_RFLAGS: 0x2_0002, GUEST_RIP: 0x100 } as const
  for (const [field, value] of Object.entries(fields)) rig.write(field as keyof typeof fields, value)
  for (const name of ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'] as const) {
    rig.write(`GUEST_${name}_SELECTOR`, name === 'CS' ? 0xfff0 : 0)
    rig.write(`GUEST_${name}_BASE`, name === 'CS' ? 0xf_ff00 : 0)
    rig.write(`GUEST_${name}_LIMIT`, 0xffff)
    rig.write(`GUEST_${name}_AR_BYTES`, 0xf3)
  }
}
