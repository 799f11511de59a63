;! test    "expectations behind a line are about the exits of its instructions"
;! group   testing
;! matrix  apic_timer_virt = 0, 1    enable_apicv = 0, 1
;! cpu     +tsc-deadline -tsc-adjust
;! budget  insns<=2k exits<=400 cycles<=10_000k
;! expect  exits(CPUID) == 2
;! expect  exits(MSR_WRITE, MSR_IA32_X2APIC_EOI) == 1    when enable_apicv=0
;! expect  exits(MSR_WRITE, IA32_TSC_DEADLINE) <= 1      when enable_apicv=0
;! expect  exits(MSR_WRITE, 0x6e0) >= 1                  when apic_timer_virt=0
;! never   exit(MSR_WRITE, 0x6e0), exit(PREEMPTION_TIMER) when apic_timer_virt=1 enable_apicv=1
;! never   exit(TRIPLE_FAULT), irq(0xec) twice
;! expect  irq(0xec) == 1
;! expect  order: arm, irq(0xec), eoi, CPUID
;! same    arch as apic_timer_virt=0
;! prints  "PASS: the tick was taken", "SUMMARY: ..."

; One past deadline, with interrupts on: it is taken at once, whoever carries it.
;
; Expected:
;       PASS: the tick was taken

;       SUMMARY: 1 tests

%include "guest.inc"

TIMER_VECTOR    equ 0xec

        set_gate TIMER_VECTOR, on_timer
        load_idt
        x2apic_enable
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | TIMER_VECTOR ;= exit(MSR_WRITE, 0x832)
        xor     r8d, r8d                ;= no-exit      ; a register is nobody's business
        sti                             ;= no-exit
        write_msr MSR_IA32_TSC_DEADLINE, 1 ;= exit(MSR_WRITE, 0x6e0) when apic_timer_virt=0 ;= no-exit when apic_timer_virt=1 enable_apicv=1
        xor     eax, eax
        cpuid                           ;= exit CPUID
        cli
        xor     eax, eax
        cpuid                           ;= exit CPUID
        cmp     r8, 1                   ;= ZF=1 CF=0 r8=1
        report  "the tick was taken", e
        summary

on_timer:
        push    rax
        push    rcx
        push    rdx
        inc     r8
        eoi                             ;= exit(MSR_WRITE, MSR_IA32_X2APIC_EOI) when enable_apicv=0 ;= no-exit when enable_apicv=1
        pop     rdx
        pop     rcx
        pop     rax
        iretq

%include "lib.inc"
