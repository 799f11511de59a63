; Sections with alignment and without bytes, left and entered again.
        org     0x10000
        bits    32
section .text align=16
start:  mov     eax, [counter]
        mov     ebx, buffer
        mov     ecx, table
        call    helper
        ret
section .data align=32
table:  dd      start, helper, buffer
section .rodata align=8
text:   db      "read me", 0
section .bss
counter: resd   1
        alignb  16
buffer: resb    64
section .text
helper: mov     esi, text
        ret
section .data
        dq      -1
        align   16
        dd      $ - $$
section .text
        dd      $ - $$, counter, buffer
