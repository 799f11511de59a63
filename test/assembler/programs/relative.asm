; default rel and abs, rel and abs in brackets, segment overrides beside them.
        bits    64
        default rel
        org     0x400000
start:  mov     eax, [data]
        mov     eax, [abs data]
        mov     eax, [rel data + 4]
        mov     eax, [fs:rel data]
        mov     eax, [rbx + data]
        lea     rax, [data]
        mov     [data], rax
        mov     byte [data + 7], 1
        cmp     dword [data], 0x12345678
        cmp     qword [data], byte 1
        call    [table]
        jmp     [table + 8]
        mov     rax, data
        mov     eax, data
        default abs
        mov     ecx, [data]
        mov     ecx, [rel data]
        mov     rax, [qword data]
data:   dd      1, 2
table:  dq      start, data, $
