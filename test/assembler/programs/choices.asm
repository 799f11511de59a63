; A value chosen by a condition, copies of values, and data without values.
        bits    32
%assign wide 1
        mov     eax, wide ? 0x11111111 : 0x22222222
        mov     ebx, (wide > 1) ? 1 : 2
        add     ecx, 0 ? 1 : 300 ? 4 : 5
here:   db      here - $$ ? 1 : 2
        db      4 dup (1, 2), 3, 2 dup ("ab"), 3 dup (0x10)
        dw      2 dup (1, 2 dup ('x')), 7
        dd      2 dup (here, here + 4)
        db      wide dup (9)
%if wide ? 1 : 0
        db      0xAA
%endif
        times   2 db 2 dup (5), 6
