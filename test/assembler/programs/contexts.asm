; Block structure with a context stack: if, else, while, as macros.
        bits    64
%macro if_ 1
  %push if_
        j%-1    %$else_
%endmacro
%macro else_ 0
  %ifctx if_
    %repl else_
        jmp     %$end_
    %$else_:
  %else
    %error else_ without if_
  %endif
%endmacro
%macro endif_ 0
  %ifctx if_
    %$else_:
    %pop
  %elifctx else_
    %$end_:
    %pop
  %endif
%endmacro
        cmp     eax, 5
        if_ e
          mov   ebx, 1
          cmp   ecx, 2
          if_ ae
            inc edx
          endif_
        else_
          mov   ebx, 2
        endif_
        ret
%push outer
%define %$name 5
%push inner
%define %$name 6
        db      %$name, %$$name
%pop inner
        db      %$name
%pop
