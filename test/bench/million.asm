; What the explorer's benchmark explores: a million events, from CPUID, deadlines and port writes in a loop.
%include "guest.inc"
%ifndef ROUNDS
%define ROUNDS 100000
%endif
TIMER_VECTOR    equ 0xec
        set_gate TIMER_VECTOR, on_timer
        load_idt
        x2apic_enable
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | TIMER_VECTOR
        xor     r8d, r8d
        xor     r9d, r9d
        sti
again:  mov     eax, 1
        cpuid
        read_tsc
        lea     r12, [rax + 3000]
        write_msr64 MSR_IA32_TSC_DEADLINE, r12
.work:  add     [counter], r12
        inc     r9
        test    r9d, 15
        jnz     .work
        inc     r8d
        cmp     r8d, ROUNDS
        jb      again
        cli
        report  "all rounds", e
        summary
on_timer:
        push    rax
        push    rcx
        push    rdx
        eoi
        pop     rdx
        pop     rcx
        pop     rax
        iretq
counter: dq 0
%include "lib.inc"
