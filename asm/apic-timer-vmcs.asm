; The VMCS fields of APIC-timer virtualization as a guest hypervisor has them (the test vmx_apic_timer_virt_vmcs_test of the series).
; What the processor offers decides what is tested: everything; tertiary controls without the timer; neither. It prints PASS for each
; and 0 to the exit port.

%include "guest.inc"
%include "nested-test.inc"

; expect_succeeds "name", flag: VMREAD or VMWRITE just done succeeds exactly when the byte is 1.
%macro expect_succeeds 2
        seta    al                      ; CF and ZF are 0
        cmp     al, [%2]
        report  %1, e
%endmacro

; expect_exit "name": RAX is VMCALL's exit.
%macro expect_vmcall 1
        cmp     rax, EXIT_REASON_VMCALL
        report  %1, e
%endmacro

        load_idt
        set_gate TIMER_VECTOR, timer
        set_gate X86_TRAP_GP, fault
        call    load_gdt
        read_msr MSR_IA32_VMX_TRUE_PROCBASED_CTLS
        bt      rax, 49
        setc    [has_tertiary]
        mov     byte [faulted], 0
        mov     ecx, MSR_IA32_VMX_PROCBASED_CTLS3
        xor     eax, eax
        rdmsr
        and     eax, TIMER_CONTROL
        setnz   [has_timer]
        mov     al, [faulted]
        xor     al, 1
        cmp     al, [has_tertiary]
        report  "reading 0x492 faults exactly without tertiary controls", e
        cmp     byte [faulted], 0
        je      .set_up
        mov     byte [has_timer], 0
.set_up:
        vmx_enable vmxon_region
        call    load_vmcs
        call    set_up_vmcs

        try_vmread TERTIARY_VM_EXEC_CONTROL
        expect_succeeds "VMREAD of the tertiary controls", has_tertiary
        try_vmwrite TERTIARY_VM_EXEC_CONTROL, TIMER_CONTROL
        expect_succeeds "VMWRITE of the tertiary controls", has_tertiary
        try_vmwrite GUEST_APIC_TIMER_VECTOR, TIMER_VECTOR
        expect_succeeds "VMWRITE of the virtual timer vector", has_timer
        try_vmwrite GUEST_DEADLINE_VIR, -1
        expect_succeeds "VMWRITE of the deadline shadow", has_timer
        try_vmwrite GUEST_DEADLINE_PHY, -1
        expect_succeeds "VMWRITE of the deadline", has_timer
        try_vmwrite TERTIARY_VM_EXEC_CONTROL, 0
        cmp     byte [has_timer], 0
        je      .launch
        call    use_timer
        vmcs_write GUEST_DEADLINE_VIR, 0
        vmcs_write GUEST_DEADLINE_PHY, 0
.launch:
        call    l2_launch
        expect_vmcall "L2 runs until its VMCALL"
        cmp     byte [has_timer], 0
        jne     timer_present
        cmp     byte [has_tertiary], 0
        jne     no_timer_bit

        vmcs_read CPU_BASED_VM_EXEC_CONTROL
        or      eax, PRIMARY_TERTIARY
        try_vmwrite CPU_BASED_VM_EXEC_CONTROL, rax
        skip
        call    l2_resume
        cmp     rax, -1
        report  "an entry with bit 17 is refused", e
        vmcs_read VM_INSTRUCTION_ERROR
        cmp     eax, 7
        report  "as an invalid control field", e
        summary

no_timer_bit:
        vmcs_read CPU_BASED_VM_EXEC_CONTROL
        or      eax, PRIMARY_TERTIARY
        try_vmwrite CPU_BASED_VM_EXEC_CONTROL, rax
        vmcs_write TERTIARY_VM_EXEC_CONTROL, TIMER_CONTROL
        skip
        call    l2_resume
        cmp     rax, -1
        report  "an entry with the timer bit is refused", e
        vmcs_read VM_INSTRUCTION_ERROR
        cmp     eax, 7
        report  "as an invalid control field", e
        vmcs_write TERTIARY_VM_EXEC_CONTROL, 0
        call    l2_resume
        expect_vmcall "without it L2 runs again"
        summary

timer_present:
        vmcs_read GUEST_APIC_TIMER_VECTOR
        cmp     eax, TIMER_VECTOR
        report  "the vector outlives a run of L2", e
        call    round_trips
        call    refusals
        call    l2_writes
        summary

; Shadow and deadline written, L2 run through one window with interrupts on: only the deadline decides whether it fires.
round_trips:
        lea     r15, [trips]
.next:  call    load_vmcs
        mov     rcx, [r15]
        vmcs_write GUEST_DEADLINE_VIR, rcx
        vmcs_read GUEST_DEADLINE_VIR
        cmp     rax, [r15]
        jne     .fail
        mov     rcx, [r15 + 8]
        vmcs_write GUEST_DEADLINE_PHY, rcx
        vmcs_read GUEST_DEADLINE_PHY
        cmp     rax, [r15 + 8]
        jne     .fail
        skip
        call    l2_launch
        cmp     rax, EXIT_REASON_VMCALL
        jne     .fail
        vmcs_read GUEST_DEADLINE_VIR
        cmp     rax, [r15 + 16]
        jne     .fail
        vmcs_read GUEST_DEADLINE_PHY
        test    rax, rax
        setnz   al
        cmp     al, [r15 + 24]
        jne     .fail
        add     r15, 32
        lea     rax, [trips_end]
        cmp     r15, rax
        jb      .next
        test    rsp, rsp
        report  "eight pairs of shadow and deadline come back as they must", nz
        ret
.fail:  show_hex "shadow written:   ", [r15]
        show_hex "deadline written: ", [r15 + 8]
        test    rsp, rsp
        report  "eight pairs of shadow and deadline come back as they must", z
        ret

; The three checks of VM entry.
%macro refused 1
        skip
        call    l2_resume
        mov     rcx, rax
        vmcs_read VM_INSTRUCTION_ERROR
        inc     rcx
        sub     eax, 7
        or      rax, rcx
        report  %1, z
%endmacro
refusals:
        vmcs_read SECONDARY_VM_EXEC_CONTROL
        mov     r14, rax
        mov     rcx, rax
        and     ecx, ~SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY
        vmcs_write SECONDARY_VM_EXEC_CONTROL, rcx
        refused "the timer without virtual-interrupt delivery is refused"
        vmcs_write SECONDARY_VM_EXEC_CONTROL, r14
        vmcs_read CPU_BASED_VM_EXEC_CONTROL
        mov     r14, rax
        mov     rcx, rax
        or      ecx, CPU_BASED_RDTSC_EXITING
        vmcs_write CPU_BASED_VM_EXEC_CONTROL, rcx
        refused "the timer with RDTSC exiting is refused"
        vmcs_write CPU_BASED_VM_EXEC_CONTROL, r14
        vmcs_write GUEST_APIC_TIMER_VECTOR, 0x100
        refused "a vector above 255 is refused"
        vmcs_write GUEST_APIC_TIMER_VECTOR, TIMER_VECTOR
        ret

; L2 writes IA32_TSC_DEADLINE: the shadow is the value, or 0 when it has fired.
l2_writes:
        rdtsc
        shl     rdx, 32
        or      rax, rdx
        mov     [writes.now], rax
        lea     rcx, [rax + rax]
        mov     [writes.twice], rcx
        shr     rax, 1
        mov     [writes.half], rax
        call    load_vmcs
        skip
        call    l2_launch
        lea     r15, [writes]
.next:  mov     rax, [r15]
        mov     [asked_value], rax
        mov     byte [asked], 1
        skip
        call    l2_resume
        cmp     rax, EXIT_REASON_VMCALL
        jne     .fail
        vmcs_read GUEST_DEADLINE_VIR
        test    rax, rax
        jz      .good
        cmp     rax, [r15]
        jne     .fail
.good:  add     r15, 8
        lea     rax, [writes_end]
        cmp     r15, rax
        jb      .next
        test    rsp, rsp
        report  "twelve values that L2 writes", nz
        ret
.fail:  show_hex "value: ", [r15]
        test    rsp, rsp
        report  "twelve values that L2 writes", z
        ret

; L2: TSC-deadline mode; then one window with interrupts on before each VMCALL.
l2_main:
        cli
        x2apic_enable
        cmp     byte [has_timer], 0
        je      .mode
        write_msr MSR_IA32_TSC_DEADLINE, 0
.mode:  write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | TIMER_VECTOR
        vmcall
.loop:  sti
        nop
        cli
        cmp     byte [asked], 0
        je      .call
        mov     byte [asked], 0
        mov     rax, [asked_value]
        mov     rdx, rax
        shr     rdx, 32
        mov     ecx, MSR_IA32_TSC_DEADLINE
        wrmsr
.call:  vmcall
        jmp     .loop

timer:  eoi_handler

; RDMSR or WRMSR that faulted: past its two bytes.
fault:  mov     byte [faulted], 1
        add     rsp, 8
        add     qword [rsp], 2
        iretq

vmx_failed:
        report_vmx_failure

        nested_test_code
%include "lib.inc"

        variables
trips:  dq      -1, -1, -1, 1
        dq      -1, 0, -1, 0
        dq      -1, 1, 0, 0
        dq      0, -1, 0, 1
        dq      1, -1, 1, 1
        dq      1, 1, 0, 0
        dq      1, 0, 1, 0
        dq      0, 1, 0, 0
trips_end:
writes: dq      0, 1, 2
.half:  dq      0
.now:   dq      0
.twice: dq      0
        dq      0x7ffffffffffffffe, 0x7fffffffffffffff, 0x8000000000000000
        dq      -2, -3, -1
writes_end:
asked_value:
        dq      0
asked:  db      0
faulted:
        db      0
has_tertiary:
        db      0
has_timer:
        db      0
        nested_test_data
