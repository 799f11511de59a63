; Constants from above and below, differences of labels, sizes known only later.
        bits    32
        mov     eax, later
        mov     ebx, end - start
        mov     byte [ebx], small
        add     eax, small
        push    small
        add     ecx, distance
start:  dd      later, distance, length
        db      text.end - text
text:   db      "some text"
.end:
length  equ     $ - text
later   equ     0x12345
small   equ     5
distance equ    end - start
twice   equ     distance * 2
        dw      twice
        resb    3
        dw      -distance
end:
