/** APICv taken away from a running VM and given back: by user space, which asks for no interrupts, and by what a guest does to its APIC. */

import { describe, expect, test } from 'vitest'
import type { KvmState } from '../../src/kvm/state.ts'
import { type RunOptions, resolveRunConfig } from '../../src/session/config.ts'
import { drive, startRun } from '../../src/session/guest-run.ts'
import type { EventKind, EventOf, TraceEvent } from '../../src/spec/trace-events.ts'
import { assembled, guestSource } from '../hw/bare.ts'
import { guestImage } from '../recorded.ts'
import { comparable } from './measured.ts'

const SYNC_PORT = 0x80

/** Runs a guest; at its n-th write to the port the n-th of `actions` says whether user space wants no interrupts for it. */
function runWith(body: string, actions: readonly boolean[] = []) {
  const guest = startRun(resolveRunConfig({}), assembled(guestSource(PREPARE + body + HANDLER)))
  const events: TraceEvent[] = []
  let syncs = 0
  let wanted = 0
  guest.machine.observe = event => {
    events.push(event)
    if (event.kind === 'kvm_pio' && event.port === SYNC_PORT) wanted++
  }
  const end = drive(guest, 1_000_000, () => {
    for (; syncs < wanted; syncs++) guest.vmm!.vcpu.setGuestDebug({ blockIrq: actions[syncs]! })
    return false
  })
  expect(end).toMatchObject({ reason: 'exit-port', status: 0 })
  const ofKind = <K extends EventKind>(kind: K): EventOf<K>[] => events.filter(event => event.kind === kind) as unknown as EventOf<K>[]
  /** Writes of an MSR that exited, between one write to the port and the next. */
  const writesOf = (msr: number): number[] => {
    const counts = [0]
    for (const event of events) {
      if (event.kind === 'kvm_pio' && event.port === SYNC_PORT) counts.push(0)
      if (event.kind === 'kvm_msr' && event.write === 1 && event.index === msr) counts[counts.length - 1]!++
    }
    return counts
  }
  const { gpr } = guest.machine.registers[0]!
  return { ofKind, writesOf, gpr, states: ofKind('kvm_apic_virt_timer_state').map(event => event.apic_virt_timer) }
}

const DEADLINE = 0x6e0
const EOI = 0x80b

/** R12: the deadline. R8: interrupts taken; R9: the TSC at the last. */
const PREPARE = `
        set_gate 0xec, timer
        load_idt
        x2apic_enable
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | 0xec
        xor     r8d, r8d
%macro arm 1
        read_tsc
        lea     r12, [rax + %1]
        write_msr64 MSR_IA32_TSC_DEADLINE, r12
%endmacro
%macro rewrite 1
        mov     ebx, %1
%%next: write_msr64 MSR_IA32_TSC_DEADLINE, r12
        dec     ebx
        jnz     %%next
%endmacro
%macro wait_until 1                     ; the TSC is so far behind the deadline
%%more: pause
        read_tsc
        sub     rax, r12
        cmp     rax, %1
        jl      %%more
%endmacro
`
const HANDLER = `
        jmp     finish
timer:  inc     r8d
        push    rax
        push    rcx
        push    rdx
        read_tsc
        mov     r9, rax
        eoi
        pop     rdx
        pop     rcx
        pop     rax
        iretq
finish:
`

describe('user space asks for no interrupts, and takes that back', () => {
  test('an armed deadline survives both switches, and its writes exit only in between', () => {
    const { gpr, writesOf, states } = runWith(
      `arm 2000000
       rewrite 3
       out 0x80, al
       rewrite 5
       out 0x80, al
       rewrite 7
       sti
       wait_until 10000
       cli`,
      [true, false],
    )
    expect(writesOf(DEADLINE)).toEqual([0, 5, 0])
    expect(states).toEqual([1, 0, 1])
    expect(gpr[8]).toBe(1n)
    // The delivery touches a page for the first time: one exit on the way.
    expect(gpr[9]! - gpr[12]!).toBeGreaterThanOrEqual(0n)
    expect(gpr[9]! - gpr[12]!).toBeLessThan(10_000n)
  })

  test('a deadline that passes meanwhile interrupts as soon as that is allowed again', () => {
    const { gpr, ofKind } = runWith(
      `sti
       arm 100000
       out 0x80, al
       wait_until 100000
       mov r10, r8
       out 0x80, al
       nop
       cli`,
      [true, false],
    )
    expect([gpr[10], gpr[8]]).toEqual([0n, 1n])
    expect(gpr[9]! - gpr[12]!).toBeGreaterThanOrEqual(100_000n)
    expect(ofKind('kvm_apicv_inhibit_changed')).toMatchObject([
      { reason: 3, set: 1, inhibits: 8n },
      { reason: 3, set: 0, inhibits: 0n },
    ])
  })

  test('afterwards the CPU delivers and ends interrupts by itself again', () => {
    const { gpr, writesOf } = runWith(
      `sti
       arm 20000
       wait_until 40000
       out 0x80, al
       out 0x80, al
       arm 20000
       wait_until 40000
       cli`,
      [true, false],
    )
    expect(gpr[8]).toBe(2n)
    expect(writesOf(EOI)).toEqual([0, 0, 0])
  })
})

/** Maps the page of the local APIC, beyond the first GiB. */
const MAP_APIC = `
        mov     rax, [abs 0x4000]
        mov     rcx, 0x7f000
        mov     rdx, rcx
        or      rdx, 3
        mov     [abs 0x4018], rdx
        mov     eax, 0xfee0009b
        mov     [rcx + 8 * 503], rax
        mov     rax, cr3
        mov     cr3, rax
`

test('a 64-bit write to the TPR is one that KVM ignores, also while the CPU virtualizes the register (Linux `apic_mmio_write`)', () => {
  const body = 'mov ecx, 0xfee00080\nmov dword [rcx], 0x20\nmov eax, 0x50\nmov [rcx], rax\nmov r8d, [rcx]'
  const guest = startRun(resolveRunConfig({}), assembled(guestSource(MAP_APIC + body)))
  expect(drive(guest, 1_000_000)).toMatchObject({ reason: 'exit-port', status: 0 })
  expect(guest.machine.registers[0]!.gpr[8]).toBe(0x20n)
})

describe('what a guest does to its APIC ends APICv for good', () => {
  test('giving itself another ID, in xAPIC mode', () => {
    const guest = startRun(
      resolveRunConfig({}),
      assembled(guestSource(`${MAP_APIC}mov ecx, 0xfee00020\nmov dword [rcx], 0x05000000\nmov r8d, [rcx]`)),
    )
    const events: TraceEvent[] = []
    guest.machine.observe = event => events.push(event)
    expect(drive(guest, 1_000_000)).toMatchObject({ reason: 'exit-port', status: 0 })
    expect(guest.machine.registers[0]!.gpr[8]).toBe(0x0500_0000n)
    expect(events.filter(event => event.kind === 'kvm_apicv_inhibit_changed')).toMatchObject([{ reason: 5, set: 1, inhibits: 0x20n }])
  })
  test('or user space, for it', () => {
    const { machine, vmm } = startRun(resolveRunConfig({}), assembled(guestSource('nop')))
    const events: TraceEvent[] = []
    machine.observe = event => events.push(event)
    const lapic = vmm!.vcpu.getLapic()
    vmm!.vcpu.setLapic(lapic)
    expect(events).not.toContainEqual(expect.objectContaining({ kind: 'kvm_apicv_inhibit_changed' }))
    lapic[0x23] = 5
    vmm!.vcpu.setLapic(lapic)
    expect(events).toContainEqual(expect.objectContaining({ kind: 'kvm_apicv_inhibit_changed', reason: 5, inhibits: 0x20n }))
  })
  test('moving its base: the deadline and each EOI exit from then on', () => {
    const { gpr, writesOf, states, ofKind } = runWith(
      `sti
       arm 20000
       wait_until 40000
       write_msr MSR_IA32_APICBASE, 0xfee01d00
       out 0x80, al
       arm 20000
       wait_until 40000
       write_msr MSR_IA32_APICBASE, 0xfee00d00
       out 0x80, al
       arm 20000
       wait_until 40000
       cli`,
      [false, false],
    )
    expect(gpr[8]).toBe(3n)
    expect([writesOf(DEADLINE), writesOf(EOI)]).toEqual([
      [0, 1, 1],
      [0, 1, 1],
    ])
    expect(states).toEqual([1, 0])
    expect(ofKind('kvm_apicv_inhibit_changed')[0]).toMatchObject({ reason: 6, set: 1, inhibits: 0x40n })
  })
})

describe('while L2 runs', () => {
  /** At the n-th line of the console, which L2 prints by itself, user space wants no interrupts; and again from the m-th on. */
  function consoleWith(path: string, options: RunOptions, [from, to]: readonly [number, number]) {
    const guest = startRun(resolveRunConfig(options), guestImage(path))
    const state = (guest.machine.host as KvmState).vms[0]!.vcpus[0]!
    const bytes: number[] = []
    const inGuestMode: boolean[] = []
    const states: number[] = []
    let blocked = false
    guest.machine.observe = event => {
      if (event.kind === 'console') bytes.push(event.byte)
      if (event.kind === 'kvm_apic_virt_timer_state') states.push(event.apic_virt_timer)
    }
    const end = drive(guest, 5_000_000, () => {
      const wants = bytes.length >= from && bytes.length < to
      if (wants !== blocked && state.phase === 'enter' && state.nested.guestMode) {
        inGuestMode.push(state.nested.guestMode)
        guest.vmm!.vcpu.setGuestDebug({ blockIrq: wants })
        blocked = wants
      }
      return false
    })
    return { end, console: Buffer.from(bytes).toString('latin1'), inGuestMode, states }
  }
  test.each<[string, RunOptions]>([
    ['examples/deadline-busy.asm', { level: 'L2' }],
    ['examples/deadline-busy.asm', { level: 'L2', parameters: { nested_apic_timer_virt: false } }],
    ['examples/masked.asm', { level: 'L2' }],
  ])('%s, %o: L1’s timer falls back and comes back, and L2 goes on', (path, options) => {
    const [stays, inhibited] = [[0, 0] as const, [40, 80] as const].map(span => consoleWith(path, options, span))
    expect(inhibited!.inGuestMode).toEqual([true, true])
    expect(comparable(path, inhibited!.console)).toEqual(comparable(path, stays!.console))
    expect(inhibited!.end).toEqual(stays!.end)
  })
})
