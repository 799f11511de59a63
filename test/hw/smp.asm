; Several CPUs: the first starts all others by INIT and start-up messages; each of them enters 64-bit mode through a real-mode trampoline,
; counts under a spin lock and with locked instructions, prints its APIC ID, and answers an interrupt. `-D CPUS=n` says how many there are.
%include "guest.inc"
TRAMPOLINE      equ 0x8000
IPI_VECTOR      equ 0x40
OTHERS          equ APIC_DEST_ALLBUT | APIC_INT_ASSERT
ROUNDS          equ 1000
        mov     rdi, TRAMPOLINE
        lea     rsi, [trampoline]
        mov     ecx, trampoline_end - trampoline
        cld
        rep     movsb
        set_gate IPI_VECTOR, on_ipi
        load_idt
        sidt    [idt_register]
        x2apic_enable
        mov     byte [lock_word], 0
        write_msr MSR_IA32_X2APIC_ICR, OTHERS | APIC_DM_INIT
        write_msr MSR_IA32_X2APIC_ICR, OTHERS | APIC_DM_STARTUP | TRAMPOLINE >> 12

.wait:  pause
        mov     eax, [arrived]
        cmp     eax, CPUS - 1
        jb      .wait
        ; A fixed IPI to all but this one; each handler counts.
        write_msr MSR_IA32_X2APIC_ICR, OTHERS | APIC_DM_FIXED | IPI_VECTOR
.answer: pause
        mov     eax, [answered]
        cmp     eax, CPUS - 1
        jb      .answer
        mov     rax, [counter]
        cmp     rax, (CPUS - 1) * ROUNDS
        report  "no increment under the lock is lost", e
        mov     rax, [atomic]
        cmp     rax, (CPUS - 1) * ROUNDS
        report  "no locked increment is lost", e
        summary
on_ipi: push    rax
        push    rcx
        push    rdx
        lock inc dword [answered]
        write_msr MSR_IA32_X2APIC_EOI, 0
        pop     rdx
        pop     rcx
        pop     rax
        iretq
ap_long:
        mov     eax, GUEST_DATA_SELECTOR
        mov     ss, eax
        mov     ds, eax
        mov     es, eax
        mov     eax, 1
        lock xadd [next_stack], eax
        shl     eax, 12
        lea     rsp, [stacks + 4096]
        add     rsp, rax
        lidt    [idt_register]
        x2apic_enable
        mov     ebx, ROUNDS
.work:  lock inc qword [atomic]
        call    take
        mov     rax, [counter]
        inc     rax
        mov     [counter], rax
        mov     byte [lock_word], 0
        dec     ebx
        jnz     .work
        call    take
        read_msr MSR_IA32_X2APIC_APICID
        add     al, '0'
        mov     edx, 0x3f8
        out     dx, al
        mov     al, 10
        out     dx, al
        mov     byte [lock_word], 0
        lock inc dword [arrived]
        sti
.idle:  hlt
        jmp     .idle
take:   mov     al, 1
        xchg    [lock_word], al
        test    al, al
        jz      .got
        pause
        jmp     take
.got:   ret

bits 16
trampoline:
        cli
        xor     ax, ax
        mov     ds, ax
        lgdt    [TRAMPOLINE + gdt_register - trampoline]
        mov     eax, 0x3000
        mov     cr3, eax
        mov     eax, 0x20
        mov     cr4, eax
        mov     ecx, 0xc0000080
        rdmsr
        or      eax, 0x900
        wrmsr
        mov     eax, 0x80010031
        mov     cr0, eax
        jmp     dword GUEST_CODE_SELECTOR:TRAMPOLINE + long_entry - trampoline
gdt_register: dw 39
        dd 0x1000
bits 64
long_entry:
        mov     rax, ap_long
        jmp     rax
trampoline_end:
        variables
idt_register: times 10 db 0
lock_word: dd 0
arrived: dd 0
answered: dd 0
next_stack: dd 0
counter: dq 0
atomic: dq 0
        align 4096, db 0
stacks: times 8 * 4096 db 0
%include "lib.inc"
