; Macros with ranges, defaults, greedy parameters, overloads, rotation and counts.
        bits    64
%macro pushes 1-*
  %rep %0
        push    %1
    %rotate 1
  %endrep
%endmacro
%macro pops 1-*
  %rep %0
    %rotate -1
        pop     %1
  %endrep
%endmacro
%macro fill 0-2 3, 0x90
        times %1 db %2
%endmacro
%macro text 1+
        db %1
        db 0
%endmacro
%macro say 1
        db 1, %1
%endmacro
%macro say 2
        db 2, %1, %2
%endmacro
        pushes  rax, rbx, r12
        pops    rax, rbx, r12
        fill
        fill    2
        fill    1, 0xCC
        text    "a, b", 13, 10
        say     5
        say     5, 6
%macro count 0-*
        db %0
%endmacro
        count
        count   a
        count   a, b, {c, d}
%imacro MixedCase 1
        dw %1
%endmacro
        mixedcase 1
        MIXEDCASE 2
%unmacro say 1
%macro say 1
        db 3, %1
%endmacro
        say     9
