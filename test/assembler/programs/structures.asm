; STRUC, ISTRUC, ABSOLUTE.
bits 64
struc   point
.x:     resd    1
.y:     resd    1
.name:  resb    8
endstruc
struc   header, 16
magic:  resw    1
        alignb  4
length: resd    1
endstruc
origin: istruc  point
        at      point.x, dd 5
        at      point.name, db 'origin'
        iend
        mov     eax, [rbx + point.y]
        mov     ecx, point_size
        mov     edx, header_size
        mov     [rdi + length], eax
        cmp     byte [rsi + magic], 0
absolute 0x500
video:  resb    16
cursor: resw    1
section .text
        mov     ax, [cursor]
        mov     rax, video
        dw      cursor - video
