;! test    "a new vector in LVTT reaches the timer that the CPU carries, unless KVM makes the posted mistake"
;! group   timer
;! matrix  stale-vector = 0, 1
;! expect  irq(0xdc) == 1  when stale-vector=0
;! expect  irq(0xec) == 0  when stale-vector=0
;! expect  irq(0xdc) == 0  when stale-vector=1
;! expect  irq(0xec) == 1  when stale-vector=1

%include "guest.inc"

        load_idt
        set_gate 0xec, handler
        set_gate 0xdc, handler
        x2apic_enable
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | 0xec
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | 0xdc
        read_tsc
        lea     rbx, [rax + 20000]
        write_msr64 MSR_IA32_TSC_DEADLINE, rbx
        sti
.wait:  pause
        cmp     dword [fired], 0
        je      .wait
        exit    0

handler:
        inc     dword [fired]
        push    rax
        push    rcx
        push    rdx
        eoi
        pop     rdx
        pop     rcx
        pop     rax
        iretq

%include "lib.inc"

        variables
fired:  dd      0
