; Deadlines of every kind in TSC-deadline mode (the test vmx_apic_timer_virt_test of the series): far ones that must not interrupt, past
; ones that must at once, HLT until one comes, and masked ones. KHZ is the frequency of the guest's TSC. It prints PASS for each group
; and 0 to the exit port, at every level and TSC multiplier.

%include "guest.inc"

%ifndef KHZ
KHZ                     equ 2000000
%endif
TIMER_VECTOR            equ 0xec

%include "apic-timer-groups.inc"

        load_idt
        set_gate TIMER_VECTOR, timer
.early: call    now                     ; from 3 on, the deadlines 1, 2 and tsc / 2 + 1 are past, as the groups say they are:
        cmp     rsi, 3                  ; a TSC of 1 kHz that began at 0 takes 3 ms to get there
        jb      .early
        x2apic_enable
        apic_timer_groups
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | APIC_LVT_MASKED | TIMER_VECTOR
        xor     r15d, r15d
        call    immediate
        verdict "masked, a past deadline reads 0 and interrupts nobody"
        summary

apic_timer_groups_code

%include "lib.inc"

        variables
apic_timer_groups_data
