; Labels of macros: local ones, the caller's, names made of parameters, condition codes.
        bits    64
%macro retry 2
%%again:
        %1
        j%-2    %%again
        j%+2    %%done
        nop
%%done:
%endmacro
        retry   {lock xadd [rbx], eax}, z
        retry   {rdtsc}, nae
%macro named 2
  label_%1_%2:
        dd label_%1_%2
  %1%2: db "%1"
%endmacro
%macro labelled 0
%00:    db "x"
%endmacro
        named   one, first
thing:  labelled
        dd      thing
%macro defer 1
        jmp     %%over
%%data: db %1, 0
%%over: lea rsi, [rel %%data]
%endmacro
        defer   "hello"
        defer   "again"
