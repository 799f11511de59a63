; The APIC timer in TSC-deadline mode with its LVT entry masked: no deadline interrupts. The hardware of APIC-timer virtualization
; looks at no LVT entry, so KVM must fall back to a timer of its own here. A write of the deadline serializes nothing; CPUID after
; it makes sure that what it causes has happened.
;
; Expected:
;       PASS: unmasked, a past deadline interrupts
;       PASS: masked, a past deadline reads 0
;       PASS: it interrupts nobody
;       PASS: masked, a future deadline reads back
;       PASS: it interrupts nobody either
;       PASS: writing 0 disarms
;       SUMMARY: 6 tests

%include "guest.inc"

TIMER_VECTOR    equ 0xec
SOON            equ 20000       ; TSC cycles: 10 microseconds at 2 GHz
LATER           equ 1 << 40     ; minutes

; serialize_by_cpuid: changes RAX, RBX, RCX, RDX.
%macro serialize_by_cpuid 0
        xor     eax, eax
        cpuid
%endmacro

        set_gate TIMER_VECTOR, on_timer
        load_idt
        x2apic_enable
        xor     r8d, r8d                ; interrupts, counted by the handler
        sti

        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | TIMER_VECTOR
        write_msr MSR_IA32_TSC_DEADLINE, 1
        serialize_by_cpuid
        cmp     r8, 1
        report  "unmasked, a past deadline interrupts", e

        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | APIC_LVT_MASKED | TIMER_VECTOR
        read_tsc
        lea     r12, [rax - SOON]
        write_msr64 MSR_IA32_TSC_DEADLINE, r12
        serialize_by_cpuid
        read_msr MSR_IA32_TSC_DEADLINE
        test    rax, rax
        report  "masked, a past deadline reads 0", z
        cmp     r8, 1
        report  "it interrupts nobody", e

        read_tsc
        mov     r12, LATER
        add     r12, rax
        write_msr64 MSR_IA32_TSC_DEADLINE, r12
        read_msr MSR_IA32_TSC_DEADLINE
        cmp     rax, r12
        report  "masked, a future deadline reads back", e

        read_tsc
        lea     r12, [rax + SOON]
        write_msr64 MSR_IA32_TSC_DEADLINE, r12
.wait:  pause
        read_tsc
        sub     rax, r12
        cmp     rax, 16 * SOON          ; well past it
        jl      .wait
        serialize_by_cpuid
        cmp     r8, 1
        report  "it interrupts nobody either", e

        read_tsc
        mov     r12, LATER
        add     r12, rax
        write_msr64 MSR_IA32_TSC_DEADLINE, r12
        write_msr MSR_IA32_TSC_DEADLINE, 0
        read_msr MSR_IA32_TSC_DEADLINE
        test    rax, rax
        report  "writing 0 disarms", z
        summary

on_timer:
        push    rax
        push    rcx
        push    rdx
        inc     r8
        eoi
        pop     rdx
        pop     rcx
        pop     rax
        iretq

%include "lib.inc"
