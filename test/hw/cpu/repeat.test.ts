/**
 * REP MOVS and REP STOS do many iterations at once where that cannot be seen. A run of one instruction at a time has no room for more
 * than one: both must leave the same machine, ticks, flags, faults, interrupts and every byte included.
 */

import { describe, expect, test } from 'vitest'
import { createMachine, resolveConfig } from '../../../src/hw/machine.ts'
import { retired, run } from '../../../src/hw/run.ts'
import { hashMachine } from '../../../src/hw/snapshot.ts'
import { bootBare } from '../../../src/vmm/bare.ts'
import { longModeBoot } from '../../../src/vmm/boot.ts'
import { isFull } from '../../slice.ts'
import { assembled, guestSource } from '../bare.ts'

const BUDGET = 10_000

/** A minimal generator of numbers; its seed is the case. */
function randomFrom(seed: number): (limit: number) => number {
  let state = seed * 2654435761 + 1
  return limit => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

const INSTRUCTIONS = ['movsb', 'movsw', 'movsd', 'movsq', 'stosb', 'stosw', 'stosd', 'stosq'] as const

/** Copies or fills around page boundaries, near and over each other, up and down, with a timer on the way and a page missing at its end. */
function program(seed: number): string {
  const random = randomFrom(seed)
  const name = INSTRUCTIONS[random(INSTRUCTIONS.length)]!
  const source = 0x20_0000 + 0x1000 * random(3) + random(4096)
  const distance = [0, 1, 7, 8, 64, 100, 4096, 5000][random(8)]! * (random(2) === 0 ? 1 : -1)
  const target = random(4) === 0 ? 0x3f_f000 + random(4096) : source + distance
  const down = random(3) === 0
  const missing = random(3) === 0
  const narrow = random(4) === 0 ? 'a32 ' : ''
  return `
        set_gate 14, missed
        set_gate 0x40, tick
        load_idt
        x2apic_enable
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | 0x40
${missing ? `        mov     qword [${random(3) === 0 ? '0x5008' : '0x5010'}], 0x400082\n        mov     rax, cr3\n        mov     cr3, rax` : ''}
        read_tsc
        add     rax, ${random(6000)}
        write_msr64 MSR_IA32_TSC_DEADLINE, rax
        sti
        mov     rax, 0x1122334455667788
        mov     esi, ${source}
        mov     edi, ${target}
        mov     ecx, ${1 + random(1800)}
        ${down ? 'std' : 'cld'}
faulting: ${narrow}rep ${name}
done:   pushfq
        cld
        jmp     after
tick:   push    rax
        push    rcx
        push    rdx
        inc     r13
        mov     r14, rcx
        write_msr MSR_IA32_X2APIC_EOI, 0
        pop     rdx
        pop     rcx
        pop     rax
        iretq
missed: mov     r11, [rsp + 8]          ; the fault is at the instruction, with CR2 and the registers of its iteration
        mov     r10, cr2
        add     rsp, 8
        lea     rax, [done]
        mov     [rsp], rax
        iretq
after:`
}

function booted(seed: number) {
  const machine = createMachine(resolveConfig({ memoryMiB: 8 }))
  bootBare(machine, longModeBoot(assembled(guestSource(program(seed)))))
  machine.memory.writeBytes(
    0x20_0000,
    Uint8Array.from({ length: 0x6000 }, (_, index) => (index * 167 + (index >> 8) * 13) & 0xff),
  )
  return machine
}

describe('many iterations at once are as many single ones', () => {
  test.each(Array.from({ length: isFull ? 400 : 8 }, (_, seed) => seed))('seed %s', seed => {
    const straight = booted(seed)
    expect(run(straight, BUDGET)).toBe('ended')
    const single = booted(seed)
    for (let instruction = 1; run(single, instruction) === 'budget'; instruction++) expect(instruction).toBeLessThan(BUDGET)
    expect([retired(single), single.tick, hashMachine(single)]).toEqual([retired(straight), straight.tick, hashMachine(straight)])
  })
})
