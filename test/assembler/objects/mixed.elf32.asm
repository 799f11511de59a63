; 32- and 16-bit code in one object, tables of addresses, sections with attributes of their own.
        bits    32
        global  start, tables
        extern  outside, other_place
section .boot progbits alloc exec nowrite align=4
        bits    16
real:   mov     ax, [word value]
        jmp     real
        dw      value
        bits    32
section .text
start:  mov     eax, [value]
        mov     ebx, [eax*4 + tables]
        call    outside
        jnz     other_place
        jmp     .far_away
        cmp     dword [value], tables
        push    value
        times 40 nop
        call    real
.far_away:
        jmp     outside + 5
        lea     ecx, [value + 100]
section .notes noalloc noexec nowrite
        db      "a note"
        dd      start
section .data
value:  dd      1, value, start, outside - 4, $ - $$
tables: times 4 dd start, real, other_place
SIZE    equ     $ - value
END     equ     $
