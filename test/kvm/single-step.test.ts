/** Instructions that KVM does for the guest, in a guest that steps through itself, and beyond a segment's limit: as on the bare CPU. */

import { describe, expect, test } from 'vitest'
import { runBare } from '../hw/bare.ts'
import { userSpace } from './user-space.ts'

/** R13: traps; R14: the sum of the offsets at which they came; R15: DR6 of all of them. */
const STEPS = (body: string): string => `
        set_gate 1, trap
        load_idt
        xor     r13d, r13d
        xor     r14d, r14d
        xor     r15d, r15d
        jmp     begin
trap:   push    rax
        inc     r13
        mov     rax, [rsp + 8]
        lea     r14, [r14 + r14 * 2]
        add     r14, rax
        mov     rax, dr6
        or      r15, rax
        xor     eax, eax
        mov     dr6, rax
        pop     rax
        iretq
text:   db      "abc"
begin:  pushfq
        or      dword [rsp], 0x100
        popfq
        nop
${body}
        nop
        pushfq
        and     dword [rsp], ~0x100
        popfq
`

describe('RFLAGS.TF: a trap after each instruction, whoever does it', () => {
  test.each([
    ['CPUID', 'xor eax, eax\ncpuid'],
    ['RDMSR and WRMSR', 'mov ecx, 0x1a0\nrdmsr\nwrmsr'],
    ['OUT', 'mov dx, 0x80\nout dx, al'],
    ['IN', 'mov dx, 0x80\nin al, dx'],
    ['REP OUTSB, after each element', 'mov dx, 0x80\nlea rsi, [text]\nmov ecx, 3\nrep outsb'],
    ['a load from where there is no memory', 'mov rbx, 0x30000000\nmov rax, [rbx]'],
    ['a store there', 'mov rbx, 0x30000000\nmov [rbx], rax'],
    ['a read, a change and a write there', 'mov rbx, 0x30000000\nadd dword [rbx], 5'],
    ['MOV to CR4', 'mov rax, cr4\nmov cr4, rax'],
    ['XSETBV', 'mov rax, cr4\nor eax, 1 << 18\nmov cr4, rax\nxor ecx, ecx\nxgetbv\nxsetbv'],
  ])('%s', (_title, body) => {
    const bare = runBare(STEPS(body))
    const under = userSpace(STEPS(body))
    under.finish()
    const seen = (gpr: (index: number) => bigint): bigint[] => [13, 14, 15].map(gpr)
    expect(bare.gpr(13)).toBeGreaterThan(4n)
    expect(bare.gpr(15) & 0x4000n).toBe(0x4000n)
    expect(seen(under.gpr)).toEqual(seen(bare.gpr))
  })
})

/** In compatibility mode, with a segment of 4 KBytes in ES or SS. R13: the vector; R14: the error code; R15: where. */
const LIMITED = (body: string): string => `
        set_gate 12, stack
        set_gate 13, general
        load_idt
        lgdt    [gdt_pointer]
        push    0x18
        lea     rax, [narrow]
        push    rax
        retfq
stack:  mov     r13d, 12
        jmp     record
general:
        mov     r13d, 13
record: pop     r14
        pop     r15
        mov     eax, 0x10
        mov     ss, eax
        mov     rsp, 0x80000
        exit    0
        align   8
gdt:    dq      0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff, 0x0040930000000fff
gdt_pointer:
        dw      39
        dq      gdt
        bits    32
narrow: mov     eax, 0x20
        mov     es, eax
        mov     esi, 0x30000000
${body}
        hlt
        bits    64
`

describe('a segment’s limit, behind an access to where there is no memory', () => {
  test.each([
    ['MOVSD to the last bytes', 'mov edi, 0xffe\nmovsd', 13n],
    ['MOVSD to just within', 'mov edi, 0xffc\nmovsd\nmov edi, 0x1000\nmovsd', 13n],
    ['PUSH beyond the stack segment', 'mov ss, eax\nmov esp, 0x2004\npush dword [esi]', 12n],
  ])('%s', (_title, body, vector) => {
    const bare = runBare(LIMITED(body))
    const under = userSpace(LIMITED(body))
    under.finish()
    expect([13, 14].map(bare.gpr)).toEqual([vector, 0n])
    expect([13, 14, 15].map(under.gpr)).toEqual([13, 14, 15].map(bare.gpr))
  })
})
