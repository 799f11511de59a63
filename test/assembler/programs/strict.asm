; strict, byte and near: sizes that the source insists on.
        bits    64
        add     eax, strict dword 5
        add     eax, 5
        add     rax, strict byte 5
        push    strict dword 1
        push    1
        push    strict byte 1
        jmp     strict near next
        jmp     near next
        jmp     short next
        jz      near next
next:   mov     rax, strict qword 1
        mov     rax, strict dword 1
        mov     rax, [dword 0x1000]
        imul    eax, ebx, strict dword 3
        bits    32
        add     eax, strict dword 5
        push    strict dword 1
        mov     eax, [bx + 4]
        mov     eax, [word 0x1234]
        bits    16
        push    dword 1
