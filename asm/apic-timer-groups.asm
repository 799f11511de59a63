; Deadlines of every kind in TSC-deadline mode (the test vmx_apic_timer_virt_test of the series): far ones that must not interrupt, past
; ones that must at once, HLT until one comes, and masked ones. KHZ is the frequency of the guest's TSC. It prints PASS for each group
; and 0 to the exit port, at every level and TSC multiplier.

%include "guest.inc"

%ifndef KHZ
KHZ                     equ 2000000
%endif
TIMER_VECTOR            equ 0xec

; verdict "group": passes when BL is 1.
%macro verdict 1
        cmp     bl, 1
        report  %1, e
%endmacro

        load_idt
        set_gate TIMER_VECTOR, timer
.early: call    now                     ; from 3 on, the deadlines 1, 2 and tsc / 2 + 1 are past, as the groups say they are:
        cmp     rsi, 3                  ; a TSC of 1 kHz that began at 0 takes 3 ms to get there
        jb      .early
        x2apic_enable
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | TIMER_VECTOR
        call    no_interrupt
        verdict "a deadline that is far or 0 stays and interrupts nobody"
        mov     r15d, 1
        call    immediate
        verdict "a past deadline interrupts at once and reads 0"
        call    halted
        verdict "HLT ends at the deadline"
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | APIC_LVT_MASKED | TIMER_VECTOR
        xor     r15d, r15d
        call    immediate
        verdict "masked, a past deadline reads 0 and interrupts nobody"
        summary

; RSI := the TSC now.
now:    rdtsc
        shl     rdx, 32
        lea     rsi, [rax + rdx]
        ret

; Disarmed, with nothing pending and no interrupt counted.
reap:   write_msr MSR_IA32_TSC_DEADLINE, 0
        serialize
        sti
        nop
        cli
        mov     dword [count], 0
        ret

write_deadline:
        mov     rax, r12
        mov     rdx, r12
        shr     rdx, 32
        mov     ecx, MSR_IA32_TSC_DEADLINE
        wrmsr
        ret

; RAX := the deadline as it reads.
read_deadline:
        mov     ecx, MSR_IA32_TSC_DEADLINE
        rdmsr
        shl     rdx, 32
        or      rax, rdx
        ret

; R12 written with interrupts on: BL stays 1 when it then reads R13 and R14 interrupts came.
one:    call    reap
        sti
        call    write_deadline
        serialize
        nop
        cli
        call    read_deadline
        cmp     rax, r13
        jne     .wrong
        cmp     r14d, [count]
        je      .right
.wrong: xor     ebx, ebx
        print   "deadline "
        print_hex r12
        print   " reads "
        print_hex rax
        newline
.right: ret

; try value, reads, interrupts
%macro try 3
        mov     r12, %1
        mov     r13, %2
        mov     r14d, %3
        call    one
%endmacro

no_interrupt:
        mov     ebx, 1
        try     0, 0, 0
        call    now
        mov     rax, -1                 ; the greater of -1 - tsc and (2^64 - 1 + tsc) / 2
        sub     rax, rsi
        mov     rcx, 0x7fffffffffffffff
        shr     rsi, 1
        add     rcx, rsi
        cmp     rax, rcx
        cmovb   rax, rcx
        try     rax, rax, 0
        try     -2, -2, 0
        try     -3, -3, 0
        try     -1, -1, 0
        call    reap
        ret

; R12 := about 1 ms past: tsc - KHZ, or where that wraps, or is 0 and would disarm, tsc / 2 + 1.
past:   call    now
        mov     r12, rsi
        shr     rsi, 1
        sub     r12, KHZ
        dec     r12
        cmp     r12, rsi
        cmova   r12, rsi
        inc     r12
        ret

; R15 interrupts for each.
immediate:
        mov     ebx, 1
        try     0, 0, 0
        try     1, 0, r15d
        try     2, 0, r15d
        call    past
        try     r12, 0, r15d
        call    now
        try     rsi, 0, r15d
        ret

; Written with interrupts off, then HLT: the value reads itself or 0 before, 0 after, with one interrupt.
halt_one:
        call    reap
        call    write_deadline
        call    read_deadline
        test    rax, rax
        jz      .halt
        cmp     rax, r12
        jne     .wrong
.halt:  cmp     dword [count], 0
        jne     .wrong
        sti
        hlt
        nop
        cli
        call    read_deadline
        test    rax, rax
        jnz     .wrong
        cmp     dword [count], 1
        je      .right
.wrong: xor     ebx, ebx
        print   "HLT with deadline "
        print_hex r12
        newline
.right: ret

halted: mov     ebx, 1
        mov     r12, 1
        call    halt_one
        mov     r12, 2
        call    halt_one
        call    past
        call    halt_one
        call    now
        mov     r12, rsi
        call    halt_one
        call    now
        mov     ecx, KHZ                ; too much for a displacement at the highest frequency
        lea     r12, [rsi + rcx + 1]
        call    halt_one
        ret

timer:  push    rax
        push    rcx
        push    rdx
        inc     dword [count]
        eoi
        pop     rdx
        pop     rcx
        pop     rax
        iretq

%include "lib.inc"

        variables
count:  dd      0
