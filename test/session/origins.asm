; What the tests of `why` ask about: a loop by its flags, control registers, the local APIC, the same value stored twice.
%include "guest.inc"
        x2apic_enable
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_MASKED | 0xec
        mov     ecx, 3
count:  dec     ecx
        jnz     count
counted:
        mov     rax, cr3
        mov     cr3, rax
        mov     dword [cell], 5
again:  mov     dword [cell], 5
        lea     rdx, [back]
        mov     [target], rdx
        jmp     [target]
        nop
back:   xor     eax, eax
        out     0xf4, eax
align 4096
cell:   dd 0
target: dq 0
