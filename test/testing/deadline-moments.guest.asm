;! test    "a deadline wakes the guest when it is due, and no earlier"
;! group   testing timer
;! matrix  apic_timer_virt = 0, 1    level = L0, L1
;! expect  irq(0xec) in deadline .. deadline+10us
;! expect  irq(0xec) in arm+100us .. arm+110us
;! expect  order: arm, irq(0xec), eoi, arm, irq(0xec), eoi
;! expect  order: arm, HLT, irq(0xec)                       when level=L1
;! expect  irq(0xec) == 3
;! same    arch as apic_timer_virt=0

; Three deadlines of 100 microseconds, each waited for with HLT, on the CPU itself and under KVM with and without APIC-timer
; virtualization. What carries the deadline decides how late the interrupt comes, not whether, nor in which order.
;
; Expected:
;       PASS: three ticks were taken
;       SUMMARY: 1 tests

%include "guest.inc"

TICKS           equ 3
TIMER_VECTOR    equ 0xec
PERIOD          equ 200000      ; TSC cycles: 100 microseconds at 2 GHz

        set_gate TIMER_VECTOR, on_timer
        load_idt
        x2apic_enable
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | TIMER_VECTOR
        xor     r8d, r8d                ;= r8=0 ZF=1
tick:   cli
        read_tsc
        add     rax, PERIOD
        write_msr64 MSR_IA32_TSC_DEADLINE, rax
        sti
        hlt                             ;= wakes irq 0xec
        cmp     r8, TICKS
        jb      tick
        cmp     r8, TICKS               ;= ZF=1 r8d=3
        report  "three ticks were taken", e
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
