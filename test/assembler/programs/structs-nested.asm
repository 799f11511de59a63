; Structures with fields, offsets, sizes, an origin, and instances with defaults and arrays.
struc   point
  .x:   resd 1
  .y:   resd 1
endstruc
struc   box
  .from:        resb point_size
  .to:          resb point_size
  .name:        resb 8
  .flags:       resw 1
                alignb 8
  .next:        resq 1
endstruc
struc   shifted, 0x10
  .a:   resb 1
  .b:   resw 2
endstruc
        bits    64
        db      point_size, box_size, shifted_size, shifted.a, shifted.b
        mov     eax, [rbx + box.to + point.y]
        mov     rax, [rbx + box.next]
        align   4, db 0
one:    istruc  box
        at box.from + point.x, dd 1
        at box.from + point.y, dd 2
        at box.to, dd 3, 4
        at box.name, db "box"
        at box.flags, dw 0xffff
        iend
        dd      $ - one
two:    istruc  point
        at point.y, dd 5
        iend
absolute 0x500
bios:   resb    4
.port:  resw    1
.end:
section .text
        mov     ax, [abs bios.port]
        dw      bios.end - bios
