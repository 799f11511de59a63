/** Exceptions and interrupts through the IDT, by the SDM's rules for 64-bit mode; each guest leaves what it saw in registers. */

import { describe, expect, test } from 'vitest'
import { runBare } from '../bare.ts'
import { GDT, runProtected, TO_RING3 } from './legacy.ts'

const RSI = 6
const RDI = 7
const R8 = 8
const R9 = 9

/** The handler for `vector` keeps the error code in RSI (if there is one), RIP in RDI, CR2 in R8, then leaves to `.after`. */
const handled = (vector: number, hasCode: boolean, body: string): string => `
        set_gate ${vector}, handler
        load_idt
        jmp     main
handler:
        ${hasCode ? 'pop rsi' : 'xor esi, esi'}
        mov     rdi, [rsp]
        mov     r8, cr2
        mov     r9, [rsp + 16]
        lea     rax, [after]
        mov     [rsp], rax
        iretq
main:
${body}
after:
`

describe('faults', () => {
  test.each([
    ['#DE of a division by 0', 0, false, 'xor ecx, ecx\nfaulting: div rcx', 0n],
    ['#DE of a quotient that does not fit', 0, false, 'mov edx, 2\nmov eax, 0\nmov ecx, 2\nfaulting: div ecx', 0n],
    ['#UD of UD2', 6, false, 'faulting: ud2', 0n],
    ['#UD of LOCK on a register', 6, false, 'faulting: db 0xf0, 0x01, 0xc0', 0n],
    ['#GP of an MSR that does not exist', 13, true, 'mov ecx, 0x12345\nfaulting: rdmsr', 0n],
    ['#GP of a non-canonical address', 13, true, 'mov rbx, 1 << 62\nfaulting: mov rax, [rbx]', 0n],
    ['#SS of a non-canonical stack address', 12, true, 'mov rbp, 1 << 62\nfaulting: mov rax, [rbp]', 0n],
    ['#GP of a selector beyond the GDT, with the selector', 13, true, 'mov eax, 0x1230\nfaulting: mov ds, eax', 0x1230n],
    ['#GP of a CR4 bit without a feature (CET)', 13, true, 'mov rax, cr4\nor rax, 1 << 23\nfaulting: mov cr4, rax', 0n],
    ['#UD of VMXON without CR4.VMXE', 6, false, 'faulting: vmxon [rsp]', 0n],
    ['#UD of VMREAD outside VMX operation', 6, false, 'faulting: vmread rax, rcx', 0n],
  ])('%s', (_title, vector, hasCode, body, code) => {
    const run = runBare(`${handled(vector, hasCode, body)}\nlea rcx, [faulting]\nsub rdi, rcx`)
    expect([run.result, run.gpr(RDI), run.gpr(RSI)]).toEqual(['ended', 0n, code])
  })

  test('a page fault has the address in CR2 and the reason in its error code', () => {
    const run = runBare(handled(14, true, 'mov rbx, 0x7fff12345678\nmov [rbx], al'))
    expect([run.gpr(RSI), run.gpr(R8)]).toEqual([2n, 0x7fff_1234_5678n])
  })

  test('a fault leaves the registers of the instruction that raised it', () => {
    const run = runBare(handled(14, true, 'mov rsi, 0x7fff00000000\nmov rdi, rsi\npush rsi\npop rbx\nlodsq'))
    expect(run.gpr(3)).toBe(0x7fff_0000_0000n)
  })

  test('a fault pushes RFLAGS with RF set', () => {
    expect((runBare(handled(6, false, 'ud2')).gpr(R9) >> BigInt(16)) & 1n).toBe(1n)
  })
})

describe('a fault that cannot be delivered', () => {
  test('becomes a double fault with error code 0', () => {
    const run = runBare(handled(8, true, 'ud2'))
    expect([run.result, run.gpr(RSI)]).toEqual(['ended', 0n])
    expect(run.machine.ended).toMatchObject({ reason: 'exit-port' })
  })
  test('and then shutdown', () => {
    const run = runBare('ud2')
    expect(run.machine.ended).toMatchObject({ reason: 'shutdown' })
    expect(run.events.at(-1)).toMatchObject({ kind: 'shutdown' })
  })
  test('ends the machine where it raises itself: #AC is benign, and its handler in ring 3 has a misaligned stack', () => {
    const aligned = 'mov eax, cr0\nor eax, 1 << 18\nmov cr0, eax'
    const body = `${aligned}\n${TO_RING3}\npush 0x40002\npopfd\ndec esp\nhandler: mov eax, [esp]`
    const run = runProtected(body, { gates: { 17: { to: 'handler', selector: GDT.userCode } } })
    expect(run.machine.ended).toEqual({ reason: 'exception-loop', status: 0, vector: 17 })
    expect(run.events.filter(({ kind }) => kind === 'exception')).toEqual([])
  })
})

/** Counts interrupts of vector 0x40 in RDI; they are self-IPIs in x2APIC mode. */
const counting = (body: string): string => `
        set_gate 0x40, handler
        set_gate 0x80, handler
        load_idt
        x2apic_enable
        xor     edi, edi
        jmp     main
handler:
        inc     rdi
        push    rax
        push    rcx
        push    rdx
        eoi
        pop     rdx
        pop     rcx
        pop     rax
        iretq
main:
${body}
`
const SELF_IPI = 'write_msr MSR_IA32_X2APIC_SELF_IPI, 0x40'

describe('interrupts', () => {
  test('wait for IF', () => {
    expect(runBare(counting(`${SELF_IPI}\nnop\nmov rsi, rdi\nsti\nnop\nnop`)).gpr(RSI)).toBe(0n)
    expect(runBare(counting(`${SELF_IPI}\nsti\nnop\nnop`)).gpr(RDI)).toBe(1n)
  })
  test('STI blocks them for exactly one instruction', () => {
    expect(runBare(counting(`${SELF_IPI}\nsti\nmov rsi, rdi\nmov r8, rdi`)).gpr(RSI)).toBe(0n)
    expect(runBare(counting(`${SELF_IPI}\nsti\nmov rsi, rdi\nmov r8, rdi`)).gpr(R8)).toBe(1n)
  })
  test('a second STI does not block again', () => {
    expect(runBare(counting(`${SELF_IPI}\nsti\nsti\nmov rsi, rdi`)).gpr(RSI)).toBe(1n)
  })
  test('MOV SS blocks them for one instruction', () => {
    expect(runBare(counting(`mov ebx, ss\n${SELF_IPI}\nsti\nmov ss, ebx\nmov rsi, rdi\nmov r8, rdi`)).gpr(RSI)).toBe(0n)
  })
  test('end HLT', () => {
    expect(runBare(counting(`${SELF_IPI}\nsti\nhlt\ncli`)).gpr(RDI)).toBe(1n)
  })
  test('HLT with interrupts off never ends', () => {
    expect(runBare('cli\nhlt').result).toBe('idle')
  })
  test('wait while the TPR holds back their class', () => {
    const raised = `write_msr MSR_IA32_X2APIC_TPR, 0x40\nsti\n${SELF_IPI}\nnop\nnop\nmov rsi, rdi\nwrite_msr MSR_IA32_X2APIC_TPR, 0x30\nnop`
    const run = runBare(counting(raised))
    expect([run.gpr(RSI), run.gpr(RDI)]).toEqual([0n, 1n])
  })
  test('of the higher vector come first', () => {
    const run = runBare(counting(`write_msr MSR_IA32_X2APIC_SELF_IPI, 0x80\n${SELF_IPI}\nsti\nnop\nnop\nnop`))
    const vectors = run.events.flatMap(event => (event.kind === 'interrupt' ? [event.vector] : []))
    expect(vectors).toEqual([0x80, 0x40])
  })
})

describe('the APIC timer', () => {
  const timer = (mode: string, arm: string, wait: string): string =>
    counting(
      `set_gate 0xec, handler\nwrite_msr MSR_IA32_X2APIC_LVT_TIMER, ${mode} | 0xec\nwrite_msr MSR_IA32_X2APIC_DIV_CONF, 0xb\nsti\n${arm}\n${wait}\ncli`,
    )
  const spin = (turns: number): string => `mov ecx, ${turns}\n.spin: loop .spin`

  test('fires once in one-shot mode, when the crystal has counted the initial count', () => {
    const run = runBare(timer('APIC_LVT_TIMER_ONESHOT', 'write_msr MSR_IA32_X2APIC_INIT_COUNT, 100', spin(40_000)))
    expect(run.gpr(RDI)).toBe(1n)
  })
  test('fires again and again in periodic mode: 25 MHz are 80 cycles of a 2 GHz TSC', () => {
    const run = runBare(timer('APIC_LVT_TIMER_PERIODIC', 'write_msr MSR_IA32_X2APIC_INIT_COUNT, 100', spin(80_000)))
    const ticks = run.events.flatMap(event => (event.kind === 'interrupt' ? [event.tick] : []))
    expect(ticks.length).toBeGreaterThan(8)
    expect(Math.abs((ticks[8]! - ticks[0]!) / 8 - 8000)).toBeLessThan(200)
  })
  test('in TSC-deadline mode fires at the deadline, and the MSR reads 0 then', () => {
    const arm = 'read_tsc\nadd rax, 5000\nmov rbx, rax\nwrite_msr64 MSR_IA32_TSC_DEADLINE, rbx\nread_msr MSR_IA32_TSC_DEADLINE\nmov r8, rax'
    const run = runBare(timer('APIC_LVT_TIMER_TSCDEADLINE', arm, `${spin(10_000)}\nread_msr MSR_IA32_TSC_DEADLINE\nmov rsi, rax`))
    expect([run.gpr(RDI), run.gpr(RSI), run.gpr(R8)]).toEqual([1n, 0n, run.gpr(3)])
  })
  test('writing 0 to IA32_TSC_DEADLINE disarms it', () => {
    const arm = 'read_tsc\nadd rax, 5000\nmov rbx, rax\nwrite_msr64 MSR_IA32_TSC_DEADLINE, rbx\nwrite_msr MSR_IA32_TSC_DEADLINE, 0'
    expect(runBare(timer('APIC_LVT_TIMER_TSCDEADLINE', arm, spin(10_000))).gpr(RDI)).toBe(0n)
  })
  test('outside TSC-deadline mode the MSR reads 0 and ignores writes', () => {
    const run = runBare(
      timer('APIC_LVT_TIMER_ONESHOT', 'write_msr MSR_IA32_TSC_DEADLINE, 1', `${spin(1000)}\nread_msr MSR_IA32_TSC_DEADLINE\nmov rsi, rax`),
    )
    expect([run.gpr(RDI), run.gpr(RSI)]).toEqual([0n, 0n])
  })
})

describe('accesses that cross a page', () => {
  test('read and write both pages', () => {
    const run = runBare('mov rax, 0x1122334455667788\nmov [0x300ffc], rax\nmov rsi, [0x300ffc]\nmov edi, [0x301000]')
    expect([run.gpr(RSI), run.gpr(RDI)]).toEqual([0x1122_3344_5566_7788n, 0x1122_3344n])
  })
})
