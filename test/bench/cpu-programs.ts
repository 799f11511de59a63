/**
 * The programs of `npm run bench:cpu`: 64-bit code at 0x100000 with the first GiB mapped one to one, which repeats its work as often
 * as R15 says. They use registers and memory from 2 MiB up, no interrupts (but the storm) and no output.
 */

export interface BenchProgram {
  readonly name: string
  /** What one repetition does; labels are local to the program. */
  readonly body: string
  /** Repetitions of the long run in our engine. */
  readonly rounds: number
  /** Bytes that a repetition moves by REP, where that is the figure. */
  readonly bytes?: number
  /** Needs what only this CPU has of the three (an APIC timer in TSC-deadline mode). */
  readonly only?: 'vtick'
}

const DATA = '0x200000'
const MIB = 1 << 20

export const BENCH_PROGRAMS: readonly BenchProgram[] = [
  {
    name: 'ALU mix',
    rounds: 40,
    body: `
        mov     ecx, 10000
.mix:   lea     rax, [rbx + rcx * 4 + 17]
        xor     rax, rdx
        rol     rax, 13
        add     rbx, rax
        mov     esi, ebx
        and     esi, 0xffff
        imul    rdx, rbx, 0x41c64e6d
        shr     rax, 7
        sub     rdx, rax
        adc     rdi, rsi
        test    bl, 1
        cmovz   r8, rdx
        or      r9d, eax
        movzx   r10d, dl
        inc     r11
        dec     ecx
        jnz     .mix`,
  },
  {
    name: 'byte sieve',
    rounds: 2,
    body: `
        mov     rdi, ${DATA}
        mov     ecx, ${MIB / 8}
        mov     rax, 0x0101010101010101
.fill:  mov     [rdi], rax
        add     rdi, 8
        dec     ecx
        jnz     .fill
        mov     rbx, ${DATA}
        mov     esi, 2
.next:  cmp     byte [rbx + rsi], 0
        je      .step
        mov     eax, esi
        imul    eax, esi
        cmp     eax, ${MIB}
        jae     .step
.cross: mov     byte [rbx + rax], 0
        add     eax, esi
        cmp     eax, ${MIB}
        jb      .cross
.step:  inc     esi
        cmp     esi, 1024
        jb      .next`,
  },
  {
    name: 'recursive calls',
    rounds: 8,
    body: `
        mov     edi, 20
        call    .fib
        jmp     .done
.fib:   cmp     edi, 2
        jb      .leaf
        push    rbx
        push    rdi
        dec     edi
        call    .fib
        mov     ebx, eax
        pop     rdi
        sub     edi, 2
        call    .fib
        add     eax, ebx
        pop     rbx
        ret
.leaf:  mov     eax, edi
        ret
.done:`,
  },
  {
    name: 'copy loop',
    rounds: 6,
    body: `
        mov     rsi, ${DATA}
        mov     rdi, ${DATA} + 0x80000
        mov     ecx, 0x80000 / 16
.copy:  mov     rax, [rsi]
        mov     rdx, [rsi + 8]
        mov     [rdi], rax
        mov     [rdi + 8], rdx
        add     rsi, 16
        add     rdi, 16
        dec     ecx
        jnz     .copy`,
  },
  {
    name: 'sort',
    rounds: 3,
    body: `
        mov     rbx, ${DATA}
        mov     eax, 12345
        xor     ecx, ecx
.seed:  imul    eax, eax, 1103515245
        add     eax, 12345
        mov     [rbx + rcx * 4], eax
        inc     ecx
        cmp     ecx, 512
        jb      .seed
        mov     esi, 1
.outer: mov     eax, [rbx + rsi * 4]
        mov     edi, esi
.inner: mov     edx, [rbx + rdi * 4 - 4]
        cmp     edx, eax
        jbe     .place
        mov     [rbx + rdi * 4], edx
        dec     edi
        jnz     .inner
.place: mov     [rbx + rdi * 4], eax
        inc     esi
        cmp     esi, 512
        jb      .outer`,
  },
  ...(['movsb', 'movsq', 'stosb', 'stosq'] as const).map(name => ({
    name: `rep ${name}`,
    rounds: 64,
    bytes: MIB,
    body: `
        cld
        mov     rsi, ${DATA}
        mov     rdi, ${DATA} + ${MIB}
        mov     ecx, ${MIB} / ${name.endsWith('b') ? 1 : 8}
        rep     ${name}`,
  })),
  {
    name: 'interrupt storm',
    rounds: 4000,
    only: 'vtick',
    body: `
%ifndef STORM
%define STORM
        set_gate 0xec, .on_timer
        load_idt
        x2apic_enable
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | 0xec
%endif
        xor     r8d, r8d
        sti
        read_tsc
        add     rax, 500
        mov     r12, rax
        write_msr64 MSR_IA32_TSC_DEADLINE, r12
.wait:  test    r8d, r8d
        jz      .wait
        jmp     .done
.on_timer:
        push    rax
        push    rcx
        push    rdx
        inc     r8d
        write_msr MSR_IA32_X2APIC_EOI, 0
        pop     rdx
        pop     rcx
        pop     rax
        iretq
.done:`,
  },
]

/** The whole program: repeats the body, then writes 0 to port 0xF4 and, for Bochs, "Shutdown" to port 0x8900. */
export const programSource = ({ body, only }: BenchProgram, rounds: number): string => `${
  only === 'vtick' ? '%include "guest.inc"' : 'bits 64\ndefault rel\norg 0x100000'
}
        mov     r15d, ${rounds}
        xor     ebx, ebx
        xor     edx, edx
round:${body}
        dec     r15d
        jnz     round
        xor     eax, eax
        out     0xf4, al
        lea     rsi, [shutdown]
        mov     edx, 0x8900
        mov     ecx, 8
        rep     outsb
stop:   hlt
        jmp     stop
shutdown: db "Shutdown"
${only === 'vtick' ? '%include "lib.inc"' : ''}
`

/**
 * A boot sector for PCs: reads the sectors behind it to 0x10000, enters 64-bit mode with the first GiB mapped by 2-MByte pages, copies the
 * program to 0x100000 and jumps there. So every emulator runs the program's same bytes under the same paging.
 */
export const BOOT_SECTOR = `
bits 16
org 0x7c00
SECTORS equ 8
        cli
        xor     ax, ax
        mov     ds, ax
        mov     ss, ax
        mov     sp, 0x7c00
        mov     ax, 0x1000
        mov     es, ax
        xor     bx, bx
        mov     ax, 0x0200 + SECTORS
        mov     cx, 0x0002
        mov     dh, 0
        int     0x13
        mov     ax, 0x2401
        int     0x15
        cli
        xor     ax, ax
        mov     es, ax
        mov     edi, 0x1000
        mov     cr3, edi
        mov     ecx, 0x3000 / 4
        xor     eax, eax
        cld
        rep     stosd
        mov     dword [0x1000], 0x2003
        mov     dword [0x2000], 0x3003
        mov     di, 0x3000
        mov     eax, 0x83
        mov     cx, 512
.map:   mov     [di], eax
        add     eax, 0x200000
        add     di, 8
        loop    .map
        lgdt    [gdtr]
        mov     eax, 0x620
        mov     cr4, eax
        mov     ecx, 0xc0000080
        rdmsr
        or      eax, 0x100
        wrmsr
        mov     eax, 0x80000011
        mov     cr0, eax
        jmp     8:long
bits 64
long:   mov     eax, 16
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     esp, 0x80000
        mov     esi, 0x10000
        mov     edi, 0x100000
        mov     ecx, SECTORS * 512
        rep     movsb
        mov     eax, 0x100000
        jmp     rax
        align   8
gdt:    dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdtr:   dw 23
        dd gdt
        times   510 - ($ - $$) db 0
        dw      0xaa55
`
