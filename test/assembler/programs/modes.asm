; The three modes in one file: real to protected to long.
        org     0x8000
        bits    16
entry:  cli
        lgdt    [gdt_pointer]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        mov     [saved], eax
        mov     eax, [ebx+ecx*4]
        push    dword 0x12345678
        push    5
        jmp     protected
        bits    32
protected:
        mov     ax, 16
        mov     ds, ax
        mov     eax, cr4
        or      eax, 1 << 5
        mov     cr4, eax
        mov     ecx, 0xC0000080
        rdmsr
        bts_ equ 8
        or      eax, 1 << bts_
        wrmsr
        inc     eax
        push    eax
        mov     ax, [bx+si]
        call    long_mode
        use64
long_mode:
        inc     eax
        mov     rax, long_mode
        mov     rax, [rel saved]
        mov     eax, [abs saved]
        default rel
        mov     [saved], rax
        lea     rsi, [gdt]
        jmp     long_mode
        align   8
gdt:    dq      0, 0x00209A0000000000, 0x0000920000000000
gdt_pointer:
        dw      $ - gdt - 1
        dq      gdt
saved:  dq      0
