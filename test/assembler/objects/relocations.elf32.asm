; The same for elf32, whose addends stand in the bytes.
bits 32

global start, table:data, fn:function
extern puts, unused, memcpy
K equ 5
section .text
start:  mov eax, [value]
        mov eax, table
        mov eax, table
        mov dword [table], value
        call puts
        call fn
        jmp  memcpy
        jz   puts
        lea edi, [msg+2]
        mov eax, [ebx+table]
        mov eax, [gs: value]
        mov eax, puts
        push table
.loc:   jmp .loc
        cmp dword [value], 5
fn:     ret
section .mine exec align=32
other:  call start
        dd puts, puts+4
section .data
value:  dd 1
table:  dd start, msg+1, $, other
        dd value
        dd puts - $
section .rodata
msg:    db "hi",0
section .bss
buf:    resb 10
KK equ buf + 4
struc pnt
.x: resd 1
.y: resd 1
endstruc
