; 16-bit addressing in all its shapes, far transfers, BIOS habits.
        org     0x100
        use16
        mov     ax, [bx]
        mov     ax, [bx+si]
        mov     ax, [bp+di+5]
        mov     ax, [bp]
        mov     ax, [si-300]
        mov     eax, [ebx+ecx*2+4]
        mov     word [0x46c], 1
        les     di, [bx]
        lds     si, [0x10]
        call    far [bx]
        jmp     far [si]
        jmp     0xf000:0xfff0
        call    word 0x1234:5
        jmp     dword 8:0x10000
        retf
        retf    4
        int     0x10
        int     3
        push    cs
        pop     ds
        pusha
        popa
        in      al, dx
        out     0x70, al
        loop    $
        jcxz    $
        mov     ax, [es:bx]
        mov     cx, [cs:si+2]
        xlatb
        lodsw
        rep stosb
        iret
        enter   8, 0
        leave
