; A periodic sleeper, as cyclictest is: a thread in ring 3 sleeps until a deadline, is woken by the timer's interrupt through a
; minimal kernel, and measures how late it runs. The kernel does with the timer what Linux does when it is tickless in idle: the
; interrupt's handler programs the next event before anybody is scheduled, and the end of idling starts the tick again. So two
; writes of IA32_TSC_DEADLINE lie on the way from the interrupt to the thread.
;
;       thread     sleep(next) ------------------------------------------------> RDTSC, lateness
;       kernel            arm   HLT | interrupt: next event | tick, schedule | IRET
;
; -D LOOPS=n deadlines, -D INTERVAL=ticks between them, -D KERNEL=ticks for the path of the kernel, -D PAUSE=ticks of one PAUSE,
; which it is spent by. The host reads `latency_stats` and `latency_samples`, as of timer-latency.asm: the lateness in ticks.
;
; Expected:
;       PASS: every deadline was waited for
;       PASS: no wake-up came early
;       SUMMARY: 2 tests

%include "guest.inc"
%include "timer-latency.inc"

%ifndef LOOPS
%define LOOPS 20
%endif
%ifndef INTERVAL
%define INTERVAL 2000000        ; 1 millisecond at 2 GHz, cyclictest's own
%endif
%ifndef KERNEL
%define KERNEL 0
%endif
%ifndef PAUSE
%define PAUSE 140
%endif

TIMER_VECTOR    equ 0xec
SLEEP_VECTOR    equ 0x80
USER_GATE       equ 0xee                ; an interrupt gate that ring 3 may call
USER_CODE       equ 0x28 | 3
USER_DATA       equ 0x30 | 3
USER_PAGE       equ 4
TICK            equ 2000000             ; 1 kHz
IDLE_LIMIT      equ 1 << 40             ; no event is wanted: far away

        lgdt    [gdt_pointer]
        mov     rax, cr3                ; ring 3 may use the first 2 MByte
        mov     ecx, 3
.level: or      qword [rax], USER_PAGE
        mov     rax, [rax]
        and     rax, ~0xfff
        loop    .level
        mov     rax, cr3
        mov     cr3, rax
        set_gate TIMER_VECTOR, on_timer
        set_gate SLEEP_VECTOR, sleep_until
        mov     byte [idt_table + 16 * SLEEP_VECTOR + 5], USER_GATE
        load_idt
        latency_touch
        x2apic_enable
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | TIMER_VECTOR
        push    USER_DATA
        push    user_stack_top
        push    2
        push    USER_CODE
        push    thread
        iretq

; Ring 3.
thread: read_tsc
        lea     r12, [rax + INTERVAL]
.next:  mov     rdi, r12
        int     SLEEP_VECTOR
        read_tsc
        sub     rax, r12
        jns     .late
        mov     byte [early], 1
.late:  add_sample 0
        add     r12, INTERVAL
        cmp     qword [latency_stats], LOOPS
        jb      .next
        xor     edi, edi                ; ends
        int     SLEEP_VECTOR

; Sleeps until the TSC shows RDI; 0 ends the program. Changes RAX, RCX, RDX.
sleep_until:
        test    rdi, rdi
        jz      finish
        mov     byte [woken], 0
        write_msr64 MSR_IA32_TSC_DEADLINE, rdi
.idle:  sti
        hlt
        cli
        cmp     byte [woken], 0
        je      .idle
        read_tsc
        add     rax, TICK
        mov     rcx, rax
        write_msr64 MSR_IA32_TSC_DEADLINE, rcx
        mov     ecx, KERNEL / PAUSE
        jecxz   .back
.path:  pause
        loop    .path
.back:  iretq

on_timer:
        push    rax
        push    rcx
        push    rdx
        mov     byte [woken], 1
        eoi
        read_tsc
        mov     rcx, IDLE_LIMIT
        add     rcx, rax
        write_msr64 MSR_IA32_TSC_DEADLINE, rcx
        pop     rdx
        pop     rcx
        pop     rax
        iretq

finish: write_msr MSR_IA32_TSC_DEADLINE, 0
        cmp     qword [latency_stats], LOOPS
        report  "every deadline was waited for", e
        cmp     byte [early], 0
        report  "no wake-up came early", e

%include "lib.inc"

        align   8, db 0
gdt_pointer:
        dw      gdt_end - gdt - 1
        dq      gdt
gdt:    dq      0
        dq      0x00af9b000000ffff      ; code
        dq      0x00cf93000000ffff      ; data
        dq      0, 0                    ; the TSS is loaded already
        dq      0x00affb000000ffff      ; ring 3: code
        dq      0x00cff3000000ffff      ; ring 3: data
gdt_end:

        variables
woken:  db      0
early:  db      0
        align   16, db 0
        times   0x400 db 0
user_stack_top:
        latency_data
