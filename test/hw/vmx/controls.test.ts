/** Controls of VMX that leave the guest, or do not, by rules of their own: one statement of the SDM each. */

import { describe, expect, test } from 'vitest'
import { brokenRule, createRig, type Rig, TIMER_CONTROLS, VIRTUAL_APIC } from './rig.ts'

const RDI = 7
const RSI = 6
const AREA = 0x20_8000

/** One entry of an MSR area. */
function putMsr(rig: Rig, entry: number, index: number, value: bigint): void {
  rig.machine.memory.write32(AREA + entry * 16, index)
  rig.machine.memory.write32(AREA + entry * 16 + 4, 0)
  rig.machine.memory.write64(AREA + entry * 16 + 8, value)
}

const LSTAR = 0xc000_0082

describe('MSR areas', () => {
  test("a VM entry loads the guest's", () => {
    const rig = createRig('read_msr 0xc0000082\nmov rsi, rax', ['CPU_BASED_USE_MSR_BITMAPS'])
    putMsr(rig, 0, LSTAR, 0x1234_5678n)
    rig.write('VM_ENTRY_MSR_LOAD_ADDR', AREA)
    rig.write('VM_ENTRY_MSR_LOAD_COUNT', 1)
    rig.exit()
    expect(rig.cpu.gpr(RSI)).toBe(0x1234_5678n)
  })
  test('an MSR that cannot be loaded fails the entry with reason 34 and its number', () => {
    const rig = createRig('nop')
    putMsr(rig, 0, LSTAR, 1n)
    putMsr(rig, 1, 0x12345, 0n)
    rig.write('VM_ENTRY_MSR_LOAD_ADDR', AREA)
    rig.write('VM_ENTRY_MSR_LOAD_COUNT', 2)
    rig.launch()
    expect([rig.read('VM_EXIT_REASON'), rig.read('EXIT_QUALIFICATION')]).toEqual([0x8000_0022n, 2n])
  })
  test("a VM exit stores the guest's and loads the host's", () => {
    const rig = createRig('mov ecx, 0xc0000082\nmov eax, 0x77\nxor edx, edx\nwrmsr', ['CPU_BASED_USE_MSR_BITMAPS'])
    putMsr(rig, 0, LSTAR, 0n)
    putMsr(rig, 1, LSTAR, 0x99n)
    rig.write('VM_EXIT_MSR_STORE_ADDR', AREA)
    rig.write('VM_EXIT_MSR_STORE_COUNT', 1)
    rig.write('VM_EXIT_MSR_LOAD_ADDR', AREA + 16)
    rig.write('VM_EXIT_MSR_LOAD_COUNT', 1)
    rig.exit()
    expect([rig.machine.memory.read64(AREA + 8), rig.cpu.rdmsr(LSTAR)]).toEqual([0x77n, 0x99n])
  })
  test('an unaligned area fails the entry', () => {
    const rig = createRig('nop')
    rig.write('VM_ENTRY_MSR_LOAD_ADDR', AREA + 8)
    rig.write('VM_ENTRY_MSR_LOAD_COUNT', 1)
    expect(rig.launch()).toEqual({ kind: 'failed', error: 7 })
    expect(brokenRule(rig)).toContain('VM-entry MSR-load area')
  })
})

describe('the monitor trap flag', () => {
  test('exits after each instruction', () => {
    const rig = createRig('inc rdi\ninc rdi\ninc rdi', ['CPU_BASED_MONITOR_TRAP_FLAG'])
    expect([rig.exit(), rig.cpu.gpr(RDI)]).toEqual(['EXIT_REASON_MONITOR_TRAP_FLAG', 1n])
    expect([rig.exit(true), rig.cpu.gpr(RDI)]).toEqual(['EXIT_REASON_MONITOR_TRAP_FLAG', 2n])
  })
  test('may be pended once by injection of the other event', () => {
    const rig = createRig('inc rdi\ninc rdi')
    rig.write('VM_ENTRY_INTR_INFO_FIELD', 0x8000_0700)
    expect([rig.exit(), rig.cpu.gpr(RDI)]).toEqual(['EXIT_REASON_MONITOR_TRAP_FLAG', 0n])
    expect(rig.exit(true)).toBe('EXIT_REASON_VMCALL')
  })
})

describe('NMIs', () => {
  test('with NMI exiting one exits, and blocks further NMIs in the host', () => {
    const rig = createRig('nop\nnop', ['PIN_BASED_NMI_EXITING'])
    rig.machine.cpus[0]!.nmiPending = true
    expect(rig.exit()).toBe('EXIT_REASON_EXCEPTION_NMI')
    expect(rig.read('VM_EXIT_INTR_INFO')).toBe(0x8000_0202n)
    expect(rig.machine.cpus[0]!.nmiBlocking).toBe(true)
  })
  test('NMI-window exiting exits as soon as virtual NMIs are not blocked', () => {
    const controls = ['PIN_BASED_NMI_EXITING', 'PIN_BASED_VIRTUAL_NMIS', 'CPU_BASED_NMI_WINDOW_EXITING'] as const
    const rig = createRig(
      'push 0x10\npush rsp\nadd qword [rsp], 8\npushfq\npush 0x08\nlea rax, [there]\npush rax\ninc rdi\niretq\nthere: inc rdi',
      controls,
    )
    rig.write('GUEST_INTERRUPTIBILITY_INFO', 8)
    expect(rig.exit()).toBe('EXIT_REASON_NMI_WINDOW')
    expect(rig.cpu.gpr(RDI)).toBe(1n)
    expect(rig.read('GUEST_INTERRUPTIBILITY_INFO')).toBe(0n)
  })
  test('NMI-window exiting needs virtual NMIs', () => {
    expect(createRig('nop', ['CPU_BASED_NMI_WINDOW_EXITING']).launch()).toEqual({ kind: 'failed', error: 7 })
  })
})

describe('posted interrupts', () => {
  const DESCRIPTOR = 0x20_9000
  const NOTIFICATION = 0xf2

  test('the notification vector moves the requests into VIRR, without an exit', () => {
    const rig = createRig('.wait: pause\njmp .wait', [...TIMER_CONTROLS, 'PIN_BASED_POSTED_INTR'])
    rig.write('POSTED_INTR_NV', NOTIFICATION)
    rig.write('POSTED_INTR_DESC_ADDR', DESCRIPTOR)
    rig.machine.memory.write32(DESCRIPTOR + 8, 1 << 5) // vector 0x45
    rig.machine.memory.write32(DESCRIPTOR + 32, 1)
    rig.cpu.wrmsr(0x83f, BigInt(NOTIFICATION))
    rig.launch()
    expect(rig.run(50)).toBe('budget')
    expect(rig.machine.memory.read32(VIRTUAL_APIC + 0x200 + (2 << 4))).toBe(1 << 5)
    expect([rig.machine.memory.read32(DESCRIPTOR + 8), rig.machine.memory.read32(DESCRIPTOR + 32) & 1]).toEqual([0, 0])
    expect(rig.machine.cpus[0]!.vmx.rvi).toBe(0x45)
    expect(rig.cpu.interruptPending()).toBe(false)
  })
  test('another vector exits as ever', () => {
    const rig = createRig('.wait: pause\njmp .wait', [...TIMER_CONTROLS, 'PIN_BASED_POSTED_INTR'])
    rig.write('POSTED_INTR_NV', NOTIFICATION)
    rig.write('POSTED_INTR_DESC_ADDR', DESCRIPTOR)
    rig.cpu.wrmsr(0x83f, 0x55n)
    expect(rig.exit()).toBe('EXIT_REASON_EXTERNAL_INTERRUPT')
    expect(rig.read('VM_EXIT_INTR_INFO')).toBe(0x8000_0055n)
  })
})

describe('PAUSE-loop exiting', () => {
  const controls = ['CPU_BASED_ACTIVATE_SECONDARY_CONTROLS', 'SECONDARY_EXEC_PAUSE_LOOP_EXITING'] as const
  test('exits when a loop of close PAUSEs lasts longer than the window', () => {
    const rig = createRig('.wait: inc rdi\npause\njmp .wait', [...controls])
    rig.write('PLE_GAP', 500)
    rig.write('PLE_WINDOW', 4096)
    expect(rig.exit()).toBe('EXIT_REASON_PAUSE_INSTRUCTION')
    expect(rig.cpu.gpr(RDI)).toBeGreaterThan(10n)
  })
  test('not when they are farther apart than the gap', () => {
    const rig = createRig('mov ecx, 100\n.wait: pause\nloop .wait', [...controls])
    rig.write('PLE_GAP', 10)
    rig.write('PLE_WINDOW', 4096)
    expect(rig.exit()).toBe('EXIT_REASON_VMCALL')
  })
})

describe('VM functions', () => {
  test('without the control VMFUNC is undefined', () => {
    const rig = createRig('xor eax, eax\nvmfunc')
    rig.write('EXCEPTION_BITMAP', 1 << 6)
    expect(rig.exit()).toBe('EXIT_REASON_EXCEPTION_NMI')
  })
  test('a function that is not enabled exits with reason 59', () => {
    const rig = createRig('mov eax, 1\nvmfunc', ['CPU_BASED_ACTIVATE_SECONDARY_CONTROLS', 'SECONDARY_EXEC_ENABLE_VMFUNC'])
    expect(rig.exit()).toBe('EXIT_REASON_VMFUNC')
  })
})
