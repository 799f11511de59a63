; A boot sector that goes from real-address mode over protected and compatibility mode to 64-bit mode, and says where it is.
        org     0x7c00
        bits    16

start:  cli
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, 0x7c00
        mov     al, 'R'
        call    0:say
        mov     word [0x40 * 4], handler        ; an interrupt through the vector table
        mov     word [0x40 * 4 + 2], cs
        int     0x40
        lgdt    [gdtr]
        smsw    ax
        or      al, 1
        lmsw    ax
        jmp     0x08:protected
handler:
        mov     al, 'I'
        call    0:say
        iret
say:    mov     dx, 0x3f8
        out     dx, al
        retf

        bits    32
protected:
        mov     eax, 0x10
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     esp, 0x7c00
        mov     al, 'P'
        call    0x08:say32
        mov     edi, 0x70000
        mov     cr3, edi
        xor     eax, eax
        mov     ecx, 0x3000 / 4
        rep     stosd
        mov     dword [0x70000], 0x71003
        mov     dword [0x71000], 0x72003
        mov     dword [0x72000], 0x83
        mov     eax, cr4
        or      eax, 1 << 5
        mov     cr4, eax
        mov     ecx, 0xc0000080
        rdmsr
        or      eax, 1 << 8
        wrmsr
        mov     eax, cr0
        or      eax, 1 << 31
        mov     cr0, eax
        mov     al, 'C'
        call    0x08:say32
        jmp     0x18:in_long
say32:  mov     dx, 0x3f8
        out     dx, al
        retf

        bits    64
in_long:
        mov     rax, 1 << 40
        bsf     rax, rax
        add     al, 'L' - 40
        mov     dx, 0x3f8
        out     dx, al
; And back: compatibility mode, protected mode, 16-bit protected mode, real-address mode.
        push    0x08
        push    back
        o64 retf
        bits    32
back:   mov     eax, cr0
        and     eax, 0x7fffffff
        mov     cr0, eax
        mov     ecx, 0xc0000080
        rdmsr
        and     eax, ~(1 << 8)
        wrmsr
        mov     al, 'p'
        call    0x08:say32
        jmp     0x20:sixteen
        bits    16
sixteen:
        mov     ax, 0x28
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     eax, cr0
        and     al, 0xfe
        mov     cr0, eax
        jmp     0:real
real:   xor     ax, ax
        mov     ds, ax
        mov     ss, ax
        mov     al, 'r'
        call    0:say
        int     0x40
        mov     al, 0
        out     0xf4, al
        jmp     $

        align   8
gdt:    dq      0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff, 0x00009b000000ffff, 0x000093000000ffff
gdtr:   dw      $ - gdt - 1
        dd      gdt
        times   510 - ($ - $$) db 0
        dw      0xaa55
