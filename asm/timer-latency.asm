; How late an APIC timer's interrupt is, and how long a wait for it takes (the program timer_latency of the series, as a guest). Options,
; by -D, after the program's own:
;
;       BUSY            -l: wait by polling, not in HLT
;       PERIOD_NS=n     -p: the timer's period (10000)
;       ALLOWED_NS=n    -a: how late is allowed (20000000)
;       ONE_SHOT        -o: the APIC timer in one-shot mode, not in TSC-deadline mode
;       XAPIC           -x: the local APIC in memory, not by MSRs
;       PRINT           -P: print what was measured
;       NESTED          -n: measure in a guest of our own, which is busy in TSC-deadline mode
;       WAITS=n         end after so many waits (100); 0: when the host sets `stop`, as -d does after its seconds
;       DURATION_NS=n   end after so much time of the guest's TSC, too; RING=n: a power of two, so many samples are kept
;       TSC_KHZ=n       frequency of the guest's TSC (2000000)
;       BUS_NS=n        cycle of the APIC's bus (1)
;
; The host finds what it needs by the symbols `stop`, `latency_stats` and `latency_samples`.
;
; Expected:
;       PASS: every timer that was set interrupted once
;       PASS: no interrupt came before its deadline
;       PASS: no wait ended without a timer
;       PASS: no interrupt was later than allowed
;       SUMMARY: 4 tests

%include "guest.inc"

%ifdef NESTED
%define BUSY
%undef ONE_SHOT
%undef XAPIC
%include "nested-test.inc"
%endif

%include "timer-latency.inc"

        set_gate LATENCY_VECTOR, latency_timer
        load_idt
%ifdef NESTED
        call    load_gdt
        call    l1_main
%else
        call    latency_main
%endif
        latency_verdict
        summary

%ifdef NESTED
; L1: what L2 may touch of the APIC passes, everything else exits, and an exit is a failure.
l1_main:
        read_msr MSR_IA32_VMX_TRUE_PROCBASED_CTLS
        bt      rax, 32 + 17
        jnc     .skip
        read_msr MSR_IA32_VMX_PROCBASED_CTLS3
        test    eax, TIMER_CONTROL
        jnz     .run
.skip:  print   "SKIP: the processor has no APIC-timer virtualization"
        newline
        exit    0
.run:   vmx_enable vmxon_region
        call    load_vmcs
        call    set_up_vmcs
        call    use_timer
        lea     rdi, [msr_bitmap]
        mov     rax, -1
        mov     ecx, 512
        cld
        rep     stosq
        pass_msr MSR_IA32_TSC_DEADLINE
        pass_msr MSR_IA32_APICBASE
        pass_msr MSR_IA32_X2APIC_DIV_CONF
        pass_msr MSR_IA32_X2APIC_LVT_TIMER
        pass_msr MSR_IA32_X2APIC_SIVR
        pass_msr MSR_IA32_X2APIC_EOI
        call    l2_launch
        cmp     rax, EXIT_REASON_VMCALL
        je      .done
        show_hex "L2 left with reason ", rax
        exit    1
.done:  ret

l2_main:
        call    latency_main
        vmcall

timer   equ     latency_timer

vmx_failed:
        test    rsp, rsp
        report  "every VMX instruction succeeds", z
        summary

        nested_test_code
%endif

        latency_code
%include "lib.inc"

        variables
        latency_data
%ifdef NESTED
        nested_test_data
%endif
