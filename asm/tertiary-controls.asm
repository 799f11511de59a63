; The tertiary controls with an in-kernel local APIC and, with -D NO_APIC, without one (the test vmx_tertiary_ctls_test of the series):
; the timer's bit may always be written, its fields and an entry with it need the timer, and without an APIC there is none.

%include "guest.inc"
%include "nested-test.inc"

%ifdef NO_APIC
HAS_TIMER               equ 0
%else
HAS_TIMER               equ 1
%endif

; The VMREAD or VMWRITE just done succeeds exactly when there is a timer.
%macro expect_timer 1
        seta    al                      ; CF and ZF are 0
        cmp     al, HAS_TIMER
        report  %1, e
%endmacro

        load_idt
        call    load_gdt
        vmx_enable vmxon_region
        call    load_vmcs
        call    set_up_vmcs
        vmcs_read CPU_BASED_VM_EXEC_CONTROL
        or      eax, PRIMARY_TERTIARY
        mov     rcx, rax
        vmcs_write CPU_BASED_VM_EXEC_CONTROL, rcx
        try_vmwrite TERTIARY_VM_EXEC_CONTROL, TIMER_CONTROL
        report  "the timer's bit is written", a
        try_vmwrite GUEST_DEADLINE_VIR, 0
        expect_timer "the deadline shadow is written if there is a timer"
        try_vmwrite GUEST_DEADLINE_PHY, 0
        expect_timer "the deadline is written if there is a timer"
        try_vmwrite GUEST_APIC_TIMER_VECTOR, TIMER_VECTOR
        expect_timer "the vector is written if there is a timer"
        call    l2_launch
%ifdef NO_APIC
        cmp     rax, -1
        report  "an entry with the bit fails", e
        vmcs_read VM_INSTRUCTION_ERROR
        cmp     eax, 7
        report  "for an invalid control field", e
        vmcs_write TERTIARY_VM_EXEC_CONTROL, 0
        call    l2_launch
%endif
        cmp     rax, EXIT_REASON_VMCALL
        report  "L2 runs until its VMCALL", e
        summary

l2_main:
        vmcall

vmx_failed:
        report_vmx_failure

        nested_test_code
%include "lib.inc"

        variables
        nested_test_data
