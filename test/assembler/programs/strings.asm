; The preprocessor's strings and tokens.
%defstr name some text
%strlen length name
%substr part name 6, 4
%substr one name 1
%strcat joined 'ab', "cd", part
%deftok token 'eax'
%xdefine frozen length
%define indirect %[length]
%define glue(a, b) a %+ b
%idefine Mixed 5
%assign minus -3
bits 64
        db      name, 0, length, part, one, joined
        mov     token, frozen
        db      indirect
glue(no, p)
glue(label, _1): dw glue(label, _1)
        db      mixed, MIXED
        db      minus, 10 minus
%macro  define_value 2
value_%1: db    %2
 %%done: dw     %%done, value_%1
%endmacro
        define_value first, 1
        define_value second, {2, 3}
%macro  greedy 1+
        db      %1
%endmacro
        greedy  1, 2, 3
%macro  optional 0-2 7, 8
        db      %0, %1, %2
%endmacro
        optional
        optional 1
        optional 1, 2
%macro  retz 1
        j%-1    %%over
        ret
 %%over: j%+1   $
%endmacro
        retz    nz
        retz    c
%macro  push_all 1-*
 %rep %0
        push    %1
  %rotate 1
 %endrep
%endmacro
        push_all rax, rbx, r12
%macro  pop_all 1-*
 %rep %0
  %rotate -1
        pop     %1
 %endrep
%endmacro
        pop_all rax, rbx, r12
%macro  lab 0
%00:    nop
        jmp     %00
%endmacro
here:   lab
        db      __LINE__, __BITS__
        db      __LINE__, __BITS__
