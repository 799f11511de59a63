; The APIC timer in one-shot mode: a write of the initial count per tick. APIC-timer virtualization does not carry this mode, so
; KVM falls back to a timer of its own and every write exits. The timer is in TSC-deadline mode first, so that a trace shows KVM
; giving it to the CPU and taking it back (kvm_apic_virt_timer_state 1, then 0). `-D TICKS=n` sets how many ticks.
;
; Expected:
;       ticks wanted:        100
;       ticks taken:         100
;       PASS: every tick was taken
;       PASS: the count runs down from its start
;       PASS: the count reads 0 afterwards
;       SUMMARY: 3 tests

%include "guest.inc"

%ifndef TICKS
%define TICKS 100
%endif

TIMER_VECTOR    equ 0xec
COUNT           equ 10000       ; APIC timer clocks: 10 microseconds under KVM, whose bus clock is 1 GHz
PATIENCE        equ 1 << 30     ; TSC cycles; a tick this late never comes

        set_gate TIMER_VECTOR, on_timer
        load_idt
        x2apic_enable
        write_msr MSR_IA32_X2APIC_DIV_CONF, APIC_TDR_DIV_1
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | TIMER_VECTOR
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_ONESHOT | TIMER_VECTOR
        show    "ticks wanted: ", TICKS

        xor     r8d, r8d                ; ticks taken, counted by the handler
        xor     r13d, r13d              ; ticks asked for
        sti
tick:   inc     r13
        write_msr MSR_IA32_X2APIC_INIT_COUNT, COUNT
        read_tsc
        mov     r12, rax
.wait:  pause
        cmp     r8, r13
        je      .taken
        read_tsc
        sub     rax, r12
        cmp     rax, PATIENCE
        jb      .wait
        jmp     judge
.taken: cmp     r13, TICKS
        jb      tick

judge:  cli
        show    "ticks taken:  ", r8
        cmp     r8, TICKS
        report  "every tick was taken", e

        write_msr MSR_IA32_X2APIC_INIT_COUNT, 0xffffffff
        read_msr MSR_IA32_X2APIC_CUR_COUNT
        mov     r14, rax
        read_msr MSR_IA32_X2APIC_CUR_COUNT
        cmp     rax, r14
        report  "the count runs down from its start", be

        write_msr MSR_IA32_X2APIC_INIT_COUNT, 0
        read_msr MSR_IA32_X2APIC_CUR_COUNT
        test    rax, rax
        report  "the count reads 0 afterwards", z
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
