/** APIC-timer virtualization: what the manual says of the MSR, the event, VM entry and VM exit, one statement each. */

import { describe, expect, test } from 'vitest'
import { convertDeadline } from '../../../src/hw/time/clock.ts'
import { createRig, MSR_BITMAP, type Rig, TIMER_CONTROLS, TIMER_VECTOR, VIRTUAL_APIC } from './rig.ts'

const RBX = 3
const RSI = 6
const RDI = 7

/** A guest with a handler that counts its interrupts in RDI, and interrupts off. */
const guest = (body: string): string => `
        jmp     main
on_timer:
        inc     rdi
        push    rax
        push    rcx
        push    rdx
        eoi
        pop     rdx
        pop     rcx
        pop     rax
        iretq
main:   set_gate ${TIMER_VECTOR}, on_timer
        load_idt
        xor     edi, edi
${body}`

const deadlineIn = (cycles: number): string => `
        read_tsc
        add     rax, ${cycles}
        mov     rbx, rax
        write_msr64 MSR_IA32_TSC_DEADLINE, rbx
        read_msr MSR_IA32_TSC_DEADLINE
        mov     rsi, rax`

const virr = (rig: Rig): number => rig.machine.memory.read32(VIRTUAL_APIC + 0x200 + ((TIMER_VECTOR >> 5) << 4))
const pending = (rig: Rig): boolean => ((virr(rig) >>> (TIMER_VECTOR & 31)) & 1) === 1

describe('writes and reads of IA32_TSC_DEADLINE in the guest', () => {
  test('a future deadline is armed and reads back, without an exit', () => {
    const rig = createRig(guest(deadlineIn(100_000)), TIMER_CONTROLS)
    expect(rig.exit()).toBe('EXIT_REASON_VMCALL')
    expect(rig.cpu.gpr(RSI)).toBe(rig.cpu.gpr(RBX))
    expect(rig.read('GUEST_DEADLINE_VIR')).toBe(rig.cpu.gpr(RBX))
    expect(rig.read('GUEST_DEADLINE_PHY')).toBe(rig.cpu.gpr(RBX))
    expect(rig.cpu.rdmsr(0x6e0)).toBe(0n)
  })

  test('writing 0 disarms, and the shadow is 0 too', () => {
    const rig = createRig(guest(`${deadlineIn(100_000)}\n write_msr MSR_IA32_TSC_DEADLINE, 0`), TIMER_CONTROLS)
    rig.exit()
    expect([rig.read('GUEST_DEADLINE_VIR'), rig.read('GUEST_DEADLINE_PHY')]).toEqual([0n, 0n])
    expect(pending(rig)).toBe(false)
  })

  test('a past deadline pends the interrupt at once and reads back as 0, though interrupts are off', () => {
    const rig = createRig(guest('write_msr MSR_IA32_TSC_DEADLINE, 1\n read_msr MSR_IA32_TSC_DEADLINE\n mov rsi, rax'), TIMER_CONTROLS)
    rig.exit()
    expect(rig.cpu.gpr(RSI)).toBe(0n)
    expect(pending(rig)).toBe(true)
    expect(rig.read('GUEST_INTR_STATUS')).toBe(BigInt(TIMER_VECTOR))
    expect(rig.cpu.gpr(RDI)).toBe(0n)
  })

  test('the bitmap comes before the virtualization: an intercepted write exits and arms nothing', () => {
    const rig = createRig(guest(deadlineIn(1000)), TIMER_CONTROLS)
    rig.machine.memory.write8(MSR_BITMAP + 0x8dc, 1)
    expect(rig.exit()).toBe('EXIT_REASON_MSR_WRITE')
    expect([rig.read('GUEST_DEADLINE_VIR'), rig.read('GUEST_DEADLINE_PHY')]).toEqual([0n, 0n])
  })

  test('with the control 0 the access goes to the real register', () => {
    const rig = createRig(guest('write_msr MSR_IA32_TSC_DEADLINE, 1'), TIMER_CONTROLS)
    rig.set('TERTIARY_EXEC_GUEST_APIC_TIMER', false)
    rig.cpu.wrmsr(0x832, BigInt((2 << 17) | TIMER_VECTOR | (1 << 16)))
    rig.exit()
    expect(rig.read('GUEST_DEADLINE_VIR')).toBe(0n)
    expect(pending(rig)).toBe(false)
  })

  test('the deadline is converted with TSC offset and multiplier, rounded up', () => {
    const controls = [...TIMER_CONTROLS, 'CPU_BASED_USE_TSC_OFFSETTING', 'SECONDARY_EXEC_TSC_SCALING'] as const
    const rig = createRig(guest(deadlineIn(100_001)), controls)
    const view = { offset: 0xffff_ff00_0000_0000n, multiplier: (1n << 48n) / 3n }
    rig.write('TSC_OFFSET', view.offset)
    rig.write('TSC_MULTIPLIER', view.multiplier)
    rig.exit()
    const armed = rig.events.find(event => event.kind === 'apic_timer_arm')!
    const expected = convertDeadline(rig.cpu.gpr(RBX), (1n << 40n) + BigInt(armed.tick), view)
    expect(expected).toMatchObject({ kind: 'armed', deadline: rig.read('GUEST_DEADLINE_PHY') })
  })
})

describe('the event', () => {
  test('fires when the TSC reaches the deadline, is delivered without an exit, and leaves deadline and shadow 0', () => {
    const rig = createRig(
      guest(`sti\n${deadlineIn(5000)}\n.wait: pause\n cmp rdi, 0\n je .wait\n read_msr MSR_IA32_TSC_DEADLINE\n mov rsi, rax`),
      TIMER_CONTROLS,
    )
    expect(rig.exit()).toBe('EXIT_REASON_VMCALL')
    expect([rig.cpu.gpr(RDI), rig.cpu.gpr(RSI)]).toEqual([1n, 0n])
    const fire = rig.events.find(event => event.kind === 'apic_timer_fire')!
    expect(BigInt(fire.tick) + (1n << 40n)).toBeGreaterThanOrEqual(rig.cpu.gpr(RBX))
    expect(rig.events.filter(event => event.kind === 'interrupt').map(event => event.kind === 'interrupt' && event.vector)).toEqual([
      TIMER_VECTOR,
    ])
  })

  test('interrupts that are off hold back the delivery, not the event', () => {
    const rig = createRig(
      guest(`${deadlineIn(2000)}\n mov ecx, 3000\n.spin: loop .spin\n read_msr MSR_IA32_TSC_DEADLINE\n mov rsi, rax`),
      TIMER_CONTROLS,
    )
    rig.exit()
    expect([rig.cpu.gpr(RSI), rig.cpu.gpr(RDI)]).toEqual([0n, 0n])
    expect(pending(rig)).toBe(true)
  })

  test('wakes a guest from HLT', () => {
    const rig = createRig(guest(`${deadlineIn(20_000)}\n sti\n hlt\n cli`), TIMER_CONTROLS)
    expect(rig.exit()).toBe('EXIT_REASON_VMCALL')
    expect(rig.cpu.gpr(RDI)).toBe(1n)
  })

  test('a vector whose class is not above the TPR waits in VIRR', () => {
    const rig = createRig(
      guest(`write_msr MSR_IA32_X2APIC_TPR, 0xf0\n sti\n write_msr MSR_IA32_TSC_DEADLINE, 1\n nop\n nop\n cli`),
      TIMER_CONTROLS,
    )
    rig.exit()
    expect(rig.cpu.gpr(RDI)).toBe(0n)
    expect(pending(rig)).toBe(true)
  })
})

describe('VM entry and VM exit', () => {
  const SPIN = guest('sti\n nop\n nop\n cli')

  test('the deadline field decides alone: past fires after entry, whatever the shadow says', () => {
    const rig = createRig(SPIN, TIMER_CONTROLS)
    rig.write('GUEST_DEADLINE_VIR', 0xffff_ffff_ffff_ffffn)
    rig.write('GUEST_DEADLINE_PHY', 1)
    rig.exit()
    expect([rig.cpu.gpr(RDI), rig.read('GUEST_DEADLINE_VIR'), rig.read('GUEST_DEADLINE_PHY')]).toEqual([1n, 0n, 0n])
  })

  /** Shadow and deadline before, and after one entry with a window of open interrupts; the rule of section 5.4. */
  const FAR = 0xffff_ffff_ffff_ffffn
  test.each([
    [FAR, FAR, FAR, FAR],
    [FAR, 0n, FAR, 0n],
    [FAR, 1n, 0n, 0n],
    [0n, FAR, 0n, FAR],
    [1n, FAR, 1n, FAR],
    [1n, 1n, 0n, 0n],
    [1n, 0n, 1n, 0n],
    [0n, 1n, 0n, 0n],
  ])('shadow %s and deadline %s come back as %s and %s', (shadow, deadline, shadowAfter, deadlineAfter) => {
    const rig = createRig(SPIN, TIMER_CONTROLS)
    rig.write('GUEST_DEADLINE_VIR', shadow)
    rig.write('GUEST_DEADLINE_PHY', deadline)
    rig.exit()
    expect([rig.read('GUEST_DEADLINE_VIR'), rig.read('GUEST_DEADLINE_PHY')]).toEqual([shadowAfter, deadlineAfter])
  })

  test('while the host runs nothing fires; a deadline that passed then fires at the next entry', () => {
    const rig = createRig(guest(`${deadlineIn(3000)}\n vmcall\n sti\n nop\n nop`), TIMER_CONTROLS)
    rig.exit()
    rig.cpu.spinUntil(((1n << 40n) + BigInt(rig.machine.tick) + 10_000n) as never)
    expect(pending(rig)).toBe(false)
    rig.write('GUEST_RIP', rig.read('GUEST_RIP') + 3n)
    rig.exit(true)
    expect(rig.cpu.gpr(RDI)).toBe(1n)
  })

  test('an exit saves 0 to the deadline field when the control is 0', () => {
    const rig = createRig('nop', [])
    rig.write('GUEST_DEADLINE_PHY', 0x1234)
    rig.exit()
    expect(rig.read('GUEST_DEADLINE_PHY')).toBe(0n)
  })
})
