; Every kind of relocation of an elf64 object, and symbols local, global, typed, external, used and not.
bits 64
default rel
global start, table:data, fn:function
extern puts, unused, memcpy
K equ 5
section .text
start:  mov eax, [value]
        mov rax, table
        mov eax, table
        mov dword [table], value
        call puts
        call fn
        jmp  memcpy
        jz   puts
        lea rdi, [msg+2]
        mov rax, [rbx+table]
        mov rax, [gs:abs value]
        mov rax, puts
        push table
.loc:   jmp .loc
        cmp dword [value], 5
fn:     ret
section .mine exec align=32
other:  call start
        dd puts, puts+4
section .data
value:  dd 1
table:  dq start, msg+1, $, other
        dd value
        dw value
        db value
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
