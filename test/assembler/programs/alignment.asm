; align and alignb with every sort of filling, and times up to a boundary.
        bits    64
        nop
        align   8
        db      1
        align   16, db 0xCC
        db      1
        alignb  4
        db      1
        align   4, nop
        ret
        align   32, int3
page:   db      1
        times   256 - ($ - page) db 0xAA
        align   1
        align   2
        dw      $ - page
        align   64
