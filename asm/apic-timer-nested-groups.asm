; The deadlines of asm/apic-timer-groups.asm in an L2 whose TSC has an offset and a multiplier of its own (the nested half of the test
; vmx_apic_timer_virt_test of the series). KHZ is the frequency of L2's TSC; OFFSET and, for a TSC that is scaled, MULTIPLIER are what L1
; puts into its VMCS. L1 takes HLT: it waits until its own TSC is past the deadline that it reads there, and L2 goes on behind the HLT.

%include "guest.inc"
%include "nested-test.inc"

%ifndef KHZ
KHZ                     equ 2000000
%endif
%ifndef OFFSET
OFFSET                  equ 0
%endif

%include "apic-timer-groups.inc"

        load_idt
        set_gate TIMER_VECTOR, timer
        x2apic_enable
        call    load_gdt
        vmx_enable vmxon_region
        call    load_vmcs
        call    set_up_vmcs
        call    use_timer
        vmcs_read CPU_BASED_VM_EXEC_CONTROL
        or      eax, CPU_BASED_HLT_EXITING | CPU_BASED_USE_TSC_OFFSETTING
        mov     rcx, rax
        vmcs_write CPU_BASED_VM_EXEC_CONTROL, rcx
        mov     rcx, OFFSET
        vmcs_write TSC_OFFSET, rcx
%ifdef MULTIPLIER
        vmcs_read SECONDARY_VM_EXEC_CONTROL
        or      eax, SECONDARY_EXEC_TSC_SCALING
        mov     rcx, rax
        vmcs_write SECONDARY_VM_EXEC_CONTROL, rcx
        mov     rcx, MULTIPLIER
        vmcs_write TSC_MULTIPLIER, rcx
%endif
        call    l2_launch
left:   cmp     rax, EXIT_REASON_HLT
        jne     .end
        skip
        vmcs_read GUEST_DEADLINE_PHY
        mov     [deadline], rax
.wait:  pause
        read_tsc
        cmp     rax, [deadline]
        jbe     .wait
        call    l2_resume
        jmp     left
.end:   cmp     rax, EXIT_REASON_VMCALL
        report  "L2 leaves for HLT and VMCALL alone", e
        summary

l2_main:
        x2apic_enable
        apic_timer_groups
        vmcall

apic_timer_groups_code
nested_test_code

vmx_failed:
        report_vmx_failure

%include "lib.inc"

        variables
apic_timer_groups_data
deadline:
        dq      0
nested_test_data
