; $ and $$, in lines, in times, in sections.
        org     0x200
        bits    16
start:  jmp     $ + 4
        nop
        nop
        dw      $, $$, $ - $$, start - $$
        times   3 dw $ - start
        times   4 - ($ - $$) % 4 db 0xCC
        align   16
        jmp     $
        jmp     $$
here:   dw      here, $ - here, $ - here
        times   64 - ($ - $$) db 0
        dw      $ - $$
