; Jumps at the very edge of short, forward and back, chained so that one growing makes others grow.
        bits    64
a:      jmp     b
        times   127 - 5 db 0x90
        jmp     c
b:      times   120 nop
        jz      a
        jnz     d
c:      times   125 nop
        loop    $ - 100
d:      jmp     a
        times   127 nop
        jmp     d
e:      jc      f
        jmp     f
        times   126 nop
f:      jmp     e
%rep 20
        jmp     g
        times   6 nop
%endrep
g:      call    a
        jrcxz   g
        jecxz   g
        jmp     near g

; In the first pass an address that is not known yet counts a byte more than it takes: the jump over it stays near.
        bits    64
over:   jz      behind
        times   121 nop
        mov     eax, [rel behind]
behind: ret
