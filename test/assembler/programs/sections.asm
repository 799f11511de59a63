; Sections of a flat binary.
        bits    64
        org     0x1000
        section .data
value:  dq      start, counter
        section .text
start:  mov     rax, [rel value]
        lea     rbx, [rel counter]
        mov     rcx, counter
        jmp     start
        ret
        section .bss
counter: resq   2
        resb    3
        section .rodata align=16
text:   db      'text', 0
        section .data
more:   dd      text, more - value
        section .text
        nop
        mov     eax, more
