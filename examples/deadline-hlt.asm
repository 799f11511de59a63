; The APIC timer in TSC-deadline mode, waited for in HLT. No tick can slip by between arming and halting: interrupts are off while
; the deadline is written, and STI lets them in only after the HLT that follows it. A HLT leaves the guest whichever timer carries
; the deadline. `-D TICKS=n` sets how many ticks, `-D PERIOD=n` their distance. Nothing is printed between the first tick and the last.
;
; Expected (how late depends on the machine):
;       ticks wanted:        100
;       ticks taken:         100
;       cycles late, least:  ...
;       cycles late, mean:   ...
;       cycles late, most:   ...
;       PASS: every tick was taken
;       PASS: every wake-up was a tick
;       PASS: no tick came early
;       PASS: the deadline reads 0 afterwards
;       SUMMARY: 4 tests

%include "guest.inc"

%ifndef TICKS
%define TICKS 100
%endif

%ifndef PERIOD
%define PERIOD  20000           ; TSC cycles: 10 microseconds at 2 GHz
%endif

TIMER_VECTOR    equ 0xec
PATIENCE        equ 1 << 30     ; a tick this late never comes

        set_gate TIMER_VECTOR, on_timer
        load_idt
        x2apic_enable
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | TIMER_VECTOR
        show    "ticks wanted: ", TICKS

        xor     r8d, r8d                ; ticks taken, counted by the handler
        mov     r9, PATIENCE            ; cycles late, least
        mov     r10, -PATIENCE          ; cycles late, most
        xor     r11d, r11d              ; cycles late, all together
        xor     r13d, r13d              ; ticks asked for
        xor     r14d, r14d              ; wake-ups
tick:   read_tsc
        lea     r12, [rax + PERIOD]
        inc     r13
        write_msr64 MSR_IA32_TSC_DEADLINE, r12
.wait:  sti
        hlt
        cli
        inc     r14
        cmp     r8, r13
        je      .taken
        read_tsc
        sub     rax, r12
        cmp     rax, PATIENCE
        jl      .wait
        jmp     judge
.taken: cmp     r13, TICKS
        jb      tick

judge:  show    "ticks taken:  ", r8
        test    r8, r8
        jz      .verdicts
        mov     rax, r11
        cqo
        idiv    r8
        show    "cycles late, least: ", r9
        show    "cycles late, mean:  ", rax
        show    "cycles late, most:  ", r10
.verdicts:
        cmp     r8, TICKS
        report  "every tick was taken", e
        cmp     r14, r8
        report  "every wake-up was a tick", e
        test    r9, r9
        report  "no tick came early", ns
        read_msr MSR_IA32_TSC_DEADLINE
        test    rax, rax
        report  "the deadline reads 0 afterwards", z
        summary

on_timer:
        push    rax
        push    rcx
        push    rdx
        read_tsc
        sub     rax, r12
        cmp     rax, r9
        cmovl   r9, rax
        cmp     rax, r10
        cmovg   r10, rax
        add     r11, rax
        inc     r8
        eoi
        pop     rdx
        pop     rcx
        pop     rax
        iretq

%include "lib.inc"
