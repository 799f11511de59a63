; Arms IA32_TSC_DEADLINE a million cycles from now and halts; the handler of the interrupt ends the run with status 0.
%include "guest.inc"
        set_gate TIMER_VECTOR, on_timer
        load_idt
        x2apic_enable
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | TIMER_VECTOR
        read_tsc
        lea     rbx, [rax + 1000000]
        write_msr64 MSR_IA32_TSC_DEADLINE, rbx
armed:  sti
        hlt
        exit    1
on_timer:
        exit    0
TIMER_VECTOR    equ 0xec
%include "lib.inc"
