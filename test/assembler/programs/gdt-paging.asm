; What boot code is made of: descriptors, page tables, far jumps, three modes in one file.
        org     0x7c00
        bits    16
%define DESC(base, limit, access, flags) \
        (((limit) & 0xffff) | (((base) & 0xffffff) << 16) | ((access) << 40) | ((((limit) >> 16) & 15) << 48) | ((flags) << 52) | (((base) >> 24) << 56))
start:  cli
        xor     ax, ax
        mov     ds, ax
        lgdt    [gdtr]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        jmp     0x08:protected
        bits    32
protected:
        mov     ax, 0x10
        mov     ds, ax
        mov     edi, 0x1000
        mov     cr3, edi
        mov     dword [edi], 0x2003
        mov     eax, cr4
        or      eax, 1 << 5
        mov     cr4, eax
        mov     ecx, 0xC0000080
        rdmsr
        bts     eax, 8
        wrmsr
        mov     eax, cr0
        or      eax, 1 << 31
        mov     cr0, eax
        jmp     dword 0x18:long_mode
        bits    64
        default rel
long_mode:   mov     rax, [message]
        lea     rsi, [message]
        jmp     $
message: db     "long_mode mode", 0
        align   8
gdt:    dq      0
        dq      DESC(0, 0xfffff, 0x9a, 0xc)
        dq      DESC(0, 0xfffff, 0x92, 0xc)
        dq      DESC(0, 0xfffff, 0x9a, 0xa)
gdtr:   dw      $ - gdt - 1
        dd      gdt
        times   510 - ($ - $$) db 0
        dw      0xaa55
