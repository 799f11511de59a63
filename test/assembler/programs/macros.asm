%define foo(x) x+1
db foo(2)
%macro d 1-3 7,8
db %0, %1, %2, %3
%endmacro
d 1
d 1,2
d 1,2,3
%define A B
%define B A
%macro lab 1
%%x: db %1
dw %%x
%endmacro
lab 5
l2: lab 6
l3 lab 7
%assign i 0
%rep 3
db i
%assign i i+1
%endrep
%macro j 2
j%+1 %2
j%-1 %2
%endmacro
bits 64
j e, l2
%define cat(a,b) a %+ b
cat(n,op)
%macro pp 1
label_%1: db 1
label%1x: db 2
%1_z: db 3
dw label_%1, label%1x, %1_z
%endmacro
pp q
%strlen n 'hello'
db n
%substr s 'hello' 2,3
db s
%xdefine C i
%assign i 99
db C
%macro rev 1-*
%rep %0
%rotate -1
db %1
%endrep
%endmacro
rev 1,2,3
%macro gr 2+
db %1, %2
%endmacro
gr 1, 2, 3, 4
gr 1, {2}
%if foo(1) > 1 && 1
db 0xaa
%elif 1
db 0xbb
%else
db 0xcc
%endif
%ifidn a , a
db 1
%endif
%ifnum 5
db 2
%endif
%ifid abc
db 3
%endif
%push ctx
%define %$v 5
db %$v
%$l: dw %$l
%pop
%ifdef foo
db 0x77
%endif
db __LINE__
%defstr st hello world
db st
db __NASM_MAJOR__
x equ 4
%assign y x+1
db y
%if $-$$ > 10
db 0xdd
%endif
times 2 jmp $
times 3 dw $-$$
struc pt
.x: resd 1
.y: resd 1
endstruc
istruc pt
at pt.x, dd 5
at pt.y, dd 6
iend
db pt_size
