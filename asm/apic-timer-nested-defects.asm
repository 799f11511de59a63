; What KVM does with the guest timer of L2, and of L1 while L2 runs, seen by L1. Each check fails with one of the mistakes that
; `vtick explain defects` lists.

%include "guest.inc"
%include "nested-test.inc"

DISTANCE                equ 1 << 44
SHADOW                  equ 0x123456789a

        load_idt
        set_gate TIMER_VECTOR, timer
        x2apic_enable
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | TIMER_VECTOR
        call    load_gdt
        vmx_enable vmxon_region
        call    load_vmcs
        call    set_up_vmcs
        call    use_timer

; L2 arms a deadline; the high half is the first that L1 reads of it.
        read_tsc
        mov     rcx, DISTANCE
        add     rax, rcx
        mov     [l2_deadline], rax
        vmcs_write_address GUEST_RIP, l2_arm
        call    l2_launch
        vmcs_read GUEST_DEADLINE_VIR + 1
        cmp     eax, [l2_deadline + 4]
        report  "the high half of the shadow is what L2 wrote", e

; L2 arms a deadline and halts, which L1 does not intercept.
        read_tsc
        add     rax, 40000
        mov     [l2_deadline], rax
        vmcs_write_address GUEST_RIP, l2_halt
        call    l2_resume
        cmp     rax, EXIT_REASON_VMCALL
        report  "a halted L2 wakes at its deadline", e

; Without the timer the shadow is nobody's but L1's.
        vmcs_write TERTIARY_VM_EXEC_CONTROL, 0
        mov     rcx, SHADOW
        vmcs_write GUEST_DEADLINE_VIR, rcx
        vmcs_write_address GUEST_RIP, l2_nothing
        call    l2_resume
        vmcs_read GUEST_DEADLINE_VIR
        mov     rcx, SHADOW
        cmp     rax, rcx
        report  "the shadow outlives a run of L2 without the timer", e

; L2 takes L1's LVTT, which passes to it, out of TSC-deadline mode: then the MSR ignores writes.
        vmcs_write_address GUEST_RIP, l2_one_shot
        call    l2_resume
        write_msr MSR_IA32_TSC_DEADLINE, -1
        read_msr MSR_IA32_TSC_DEADLINE
        test    rax, rax
        report  "outside TSC-deadline mode the deadline reads 0", z
        summary

l2_arm: mov     rbx, [l2_deadline]
        write_msr64 MSR_IA32_TSC_DEADLINE, rbx
l2_nothing:
        vmcall
l2_halt:
        mov     rbx, [l2_deadline]
        write_msr64 MSR_IA32_TSC_DEADLINE, rbx
        sti
        hlt
        cli
        vmcall
l2_one_shot:
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_ONESHOT | TIMER_VECTOR
        vmcall
l2_main equ     l2_nothing

timer:  eoi_handler

vmx_failed:
        report_vmx_failure

        nested_test_code
%include "lib.inc"

        variables
l2_deadline:
        dq      0
        nested_test_data
