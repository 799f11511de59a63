; CPU 0 starts CPU 1 and waits for its word. CPU 1 comes through real mode, leaves 0x77 in R15 and counts `arrived` to 1; then it halts.
%include "guest.inc"
TRAMPOLINE      equ 0x8000
OTHERS          equ APIC_DEST_ALLBUT | APIC_INT_ASSERT
        mov     rdi, TRAMPOLINE
        lea     rsi, [trampoline]
        mov     ecx, trampoline_end - trampoline
        cld
        rep     movsb
        mov     r15, 0x11
        x2apic_enable
        write_msr MSR_IA32_X2APIC_ICR, OTHERS | APIC_DM_INIT
        write_msr MSR_IA32_X2APIC_ICR, OTHERS | APIC_DM_STARTUP | TRAMPOLINE >> 12
waiting:
        pause
        cmp     dword [arrived], 1
        jb      waiting
heard:  mov     eax, [arrived]
        exit    0
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
        mov     rax, worker
        jmp     rax
trampoline_end:
worker: mov     ecx, 5
        mov     r15, 0x77
told:   lock inc dword [arrived]
idle:   hlt
        jmp     idle
        variables
arrived: dd 0
%include "lib.inc"
