;! test    "a deadline that the guest writes arms and fires without an exit"
;! group   timer
;! matrix  apic_timer_virt = 0, 1
;! expect  exits(MSR_WRITE, 0x6e0) == 12     when apic_timer_virt=0
;! expect  exits(PREEMPTION_TIMER) == 10     when apic_timer_virt=0
;! expect  exits(MSR_WRITE, 0x6e0) == 0      when apic_timer_virt=1
;! expect  exits(PREEMPTION_TIMER) == 0      when apic_timer_virt=1

; Ten ticks of the APIC timer in TSC-deadline mode, waited for with PAUSE; then a deadline far off, and a 0 that takes it back. That
; makes twelve writes of the deadline, all after the LVT entry says TSC-deadline mode: from there on KVM with APIC-timer
; virtualization lets the guest write for itself. Ten of them fire.
;
; Expected:
;       PASS: ten ticks were taken
;       PASS: a deadline far off reads back
;       PASS: writing 0 disarms
;       SUMMARY: 3 tests

%include "guest.inc"

TICKS           equ 10
TIMER_VECTOR    equ 0xec
PERIOD          equ 20000       ; TSC cycles: 10 microseconds at 2 GHz
PATIENCE        equ 1 << 30     ; a tick this late never comes
FAR_OFF         equ 1 << 40     ; minutes

        set_gate TIMER_VECTOR, on_timer
        load_idt
        x2apic_enable
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | TIMER_VECTOR

        xor     r8d, r8d                ; ticks taken, counted by the handler
        xor     r13d, r13d              ; ticks asked for
        sti
tick:   read_tsc
        lea     r12, [rax + PERIOD]
        inc     r13
        write_msr64 MSR_IA32_TSC_DEADLINE, r12
.wait:  pause
        cmp     r8, r13
        je      .taken
        read_tsc
        sub     rax, r12
        cmp     rax, PATIENCE
        jl      .wait
        jmp     far_off
.taken: cmp     r13, TICKS
        jb      tick

far_off:
        read_tsc
        mov     r12, FAR_OFF
        add     r12, rax
        write_msr64 MSR_IA32_TSC_DEADLINE, r12
        read_msr MSR_IA32_TSC_DEADLINE
        mov     r14, rax
        write_msr MSR_IA32_TSC_DEADLINE, 0
        read_msr MSR_IA32_TSC_DEADLINE
        mov     r15, rax
        cli

        cmp     r8, TICKS
        report  "ten ticks were taken", e
        cmp     r14, r12
        report  "a deadline far off reads back", e
        test    r15, r15
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
