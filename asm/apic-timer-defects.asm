; What KVM itself does with a deadline that the CPU holds for its guest: a new vector, a new TSC, and back to the CPU after a mask. Each
; check fails with one of the mistakes that `vtick explain defects` lists. KHZ is the frequency of the guest's TSC; HOST_KHZ is that of
; the host's. With SWEEP it also tries deadlines within a tick of the host's, which takes a while.

%include "guest.inc"

%ifndef KHZ
KHZ                     equ 2000000
%endif
HOST_KHZ                equ 2000000
FIRST_VECTOR            equ 0xec
SECOND_VECTOR           equ 0xdc
PATIENCE                equ KHZ         ; 1 ms
FIRST_TICK              equ 1500        ; host ticks from the write of a deadline to its way back to the CPU: at least, at most
LAST_TICK               equ 4500

        load_idt
        set_gate FIRST_VECTOR, first
        set_gate SECOND_VECTOR, second
        x2apic_enable
        call    new_vector
        call    new_tsc
        call    unmasked
%ifdef SWEEP
        call    within_a_tick
%endif
        summary

; A vector alone changes while the CPU has the timer.
new_vector:
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | FIRST_VECTOR
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | SECOND_VECTOR
        read_tsc
        lea     r12, [rax + KHZ / 50]
        write_msr64 MSR_IA32_TSC_DEADLINE, r12
        call    await
        cmp     dword [second_count], 1
        report  "the timer interrupts at the vector that LVTT has now", e
        ret

; The TSC jumps to just before the deadline.
new_tsc:
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_ONESHOT | SECOND_VECTOR
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | SECOND_VECTOR
        mov     qword [first_count], 0  ; both
        read_tsc
        mov     r12, 1 << 50
        add     r12, rax
        write_msr64 MSR_IA32_TSC_DEADLINE, r12
        lea     r13, [r12 - KHZ / 50]
        write_msr64 MSR_IA32_TSC, r13
        call    await
        cmp     dword [second_count], 1
        report  "the deadline is one of the TSC as it is now", e
        write_msr MSR_IA32_TSC_DEADLINE, 0
        ret

; KVM takes the deadline while the entry is masked, and gives it back.
unmasked:
        mov     dword [second_count], 0
        read_tsc
        lea     r12, [rax + KHZ / 20]
        write_msr64 MSR_IA32_TSC_DEADLINE, r12
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | APIC_LVT_MASKED | SECOND_VECTOR
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | SECOND_VECTOR
        call    await
        cmp     dword [second_count], 1
        report  "a deadline outlives that LVTT is masked for a moment", e
        ret

; The same for deadlines that come at every tick of the host's around that moment, half a tick later: each must be over at last.
within_a_tick:
        mov     ebx, FIRST_TICK
.next:  write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | APIC_LVT_MASKED | SECOND_VECTOR
        mov     eax, ebx
        mov     ecx, KHZ
        mul     rcx
        mov     ecx, HOST_KHZ
        div     rcx
        lea     r12, [rax + KHZ / HOST_KHZ / 2]
        read_tsc
        add     r12, rax
        write_msr64 MSR_IA32_TSC_DEADLINE, r12
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | SECOND_VECTOR
.wait:  pause
        read_tsc
        mov     rcx, r12
        lea     rcx, [rcx + KHZ / 1000]
        cmp     rax, rcx
        jb      .wait
        read_msr MSR_IA32_TSC_DEADLINE
        test    rax, rax
        jnz     .end
        inc     ebx
        cmp     ebx, LAST_TICK
        jb      .next
        xor     eax, eax
.end:   test    rax, rax
        report  "no deadline is held for ever for coming within a tick", z
        ret

; With interrupts on until one of ours came, or PATIENCE after R12.
await:  sti
        lea     rcx, [r12 + PATIENCE]
.wait:  pause
        mov     eax, [first_count]
        or      eax, [second_count]
        jnz     .end
        read_tsc
        cmp     rax, rcx
        jb      .wait
.end:   cli
        ret

first:  inc     dword [first_count]
        jmp     done
second: inc     dword [second_count]
done:   push    rax
        push    rcx
        push    rdx
        eoi
        pop     rdx
        pop     rcx
        pop     rax
        iretq

%include "lib.inc"

        variables
first_count:
        dd      0
second_count:
        dd      0
