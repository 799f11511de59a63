/** The modes and the ways between them (Intel SDM, "Mode Switching"; "Initializing IA-32e Mode"; "Switching Back to Real-Address Mode"). */

import { describe, expect, test } from 'vitest'
import { runBare } from '../bare.ts'
import { GDT, runProtected, runReal } from './legacy.ts'

const RAX = 0
const RBX = 3
const RSI = 6
const RDI = 7

describe('real-address mode', () => {
  test('adds a segment register times 16 to the offset', () => {
    const run = runReal('mov ax, 0x1234\nmov ds, ax\nmov word [0x10], 0xbeef\nxor ax, ax\nmov es, ax\nmov bx, 0x5678')
    expect(run.result).toBe('ended')
    expect(run.machine.memory.read16(0x12350)).toBe(0xbeef)
    expect(run.gpr(RBX)).toBe(0x5678n)
  })
  test('a 32-bit operand and a 32-bit address need only their prefixes', () => {
    const run = runReal('mov ebx, 0x6000\nmov eax, 0x12345678\nmov [ebx], eax\nmov esi, [bx]\nmov edi, 0x11112222\nmov di, 3')
    expect([run.gpr(RSI), run.gpr(RDI)]).toEqual([0x1234_5678n, 0x1111_0003n])
  })
  test('far calls and returns push and load CS', () => {
    const run = runReal('call 0x10:far_routine - 0x100\nmov bx, 7\njmp done\nfar_routine: mov si, cs\nretf\ndone:')
    expect([run.result, run.gpr(RSI), run.gpr(RBX)]).toEqual(['ended', 0x10n, 7n])
  })
  test('MOV SS and a stack that wraps: SP is 16 bits', () => {
    const run = runReal('mov ax, 0x2000\nmov ss, ax\nxor sp, sp\npush word 0x1234\nmov bx, sp')
    expect([run.gpr(RBX), run.machine.memory.read16(0x2fffe)]).toEqual([0xfffen, 0x1234])
  })
})

const LONG_TABLES = `
        mov     edi, 0x3000             ; PML4, PDPT, one directory of 2-MByte pages
        mov     cr3, edi
        mov     dword [edi], 0x4003
        mov     dword [edi + 0x1000], 0x5003
        mov     dword [edi + 0x2000], 0x83
        mov     dword [edi + 0x2008], 0x200083
        mov     eax, cr4
        or      eax, 1 << 5
        mov     cr4, eax
        mov     ecx, 0xc0000080
        rdmsr
        or      eax, 1 << 8
        wrmsr
        mov     eax, cr0
        or      eax, 1 << 31
        mov     cr0, eax
`

describe('the way up', () => {
  test('real-address mode, protected mode, compatibility mode, 64-bit mode', () => {
    const run = runReal(`
        lgdt    [gdtr]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        jmp     0x08:protected
gdtr:   dw      31
        dd      gdt
        align   8
gdt:    dq      0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
        bits    32
protected:
        mov     eax, 0x10
        mov     ds, eax
        mov     ss, eax
        mov     esp, 0x7000
        push    dword 0x11223344
        ${LONG_TABLES}
        mov     ebx, 0x80000000
        add     ebx, ebx                ; still 32 bits: compatibility mode
        jmp     0x18:long
        bits    64
long:   mov     rsi, 0x1122334455667788
        pop     rdi
        mov     ecx, 0xc0000080
        rdmsr
        out     0xf4, al
        bits    16`)
    expect(run.machine.ended).toMatchObject({ reason: 'exit-port' })
    expect(run.gpr(RSI)).toBe(0x1122_3344_5566_7788n)
    expect(run.gpr(RDI) & 0xffff_ffffn).toBe(0x1122_3344n)
    expect(run.gpr(RBX)).toBe(0n)
    expect(run.gpr(RAX)).toBe(0x500n) // LMA and LME
  })
})

describe('the way down', () => {
  test('64-bit code calls 32-bit code in compatibility mode and returns', () => {
    const run = runBare(`
        mov     rax, 0x00cf9b000000ffff
        mov     [0x1000 + 0x10], rax    ; over the data descriptor
        lgdt    [gdtr]
        push    0x10
        lea     rax, [compatible]
        push    rax
        mov     rbp, rsp
        call    far dword [pointer]
        jmp     done
gdtr:   dw      39
        dq      0x1000
pointer: dd     compatible
        dw      0x10
        bits    32
compatible:
        mov     eax, 0xffffffff
        inc     eax
        mov     esi, 5
        db      0x48                    ; DEC EAX here, REX.W in 64-bit mode
        mov     edi, eax
        retf
        bits    64
done:`)
    expect(run.machine.ended).toMatchObject({ reason: 'exit-port' })
    expect([run.gpr(RSI), run.gpr(RDI)]).toEqual([5n, 0xffff_ffffn])
  })

  test('protected mode, 16-bit protected mode, real-address mode', () => {
    const run = runProtected(`
        mov     esi, sixteen            ; 16-bit code must lie below 64 KBytes for an offset of 16 bits to reach it
        mov     edi, 0x7000
        mov     ecx, after - sixteen
        rep     movsb
        jmp     ${GDT.code16}:0x7000
        bits    16
sixteen:
        mov     ax, ${GDT.data16}
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     eax, cr0
        and     al, 0xfe
        mov     cr0, eax
        jmp     0x700:real - sixteen
real:   mov     ax, 0x2000
        mov     ds, ax
        mov     word [0], 0xcafe
        mov     si, cs
        mov     al, 0
        out     0xf4, al
after:  bits    32`)
    expect(run.machine.ended).toMatchObject({ reason: 'exit-port' })
    expect([BigInt.asUintN(16, run.gpr(RSI)), run.machine.memory.read16(0x20000)]).toEqual([0x700n, 0xcafe])
  })
  test('16-bit code at 1 MByte is beyond its segment of 64 KBytes', () => {
    expect(runProtected(`jmp ${GDT.code16}:0xfffff`).machine.ended).toMatchObject({ reason: 'shutdown' })
  })
})
