; Conditions, in all the ways they are written, some of them on what was assembled before.
%define YES
%define number 5
%define text 'abc'
%define call(a, b) a + b
%assign count 3
%macro two 2
        db      %1, %2
%endmacro
value equ 7
bits 64
%ifdef YES
        db      1
 %ifndef NO
        db      2
 %else
        anything at all ' here
 %endif
%elifdef NO
        db      3
%endif
%ifndef YES
        db      4
%elif count > 2 && number = 5
        db      5
%else
        db      6
%endif
%if value == 7
        db      7
%endif
%if $ - $$ > 2
        db      8
%endif
%ifidn text, 'abc'
        db      9
%endif
%ifidni ABC, abc
        db      10
%endif
%ifnidn a, b
        db      11
%endif
%ifnum number
        db      12
%endif
%ifstr text
        db      13
%endif
%ifid YES_OR_NO
        db      14
%endif
%ifempty
        db      15
%endif
%ifmacro two 2
        db      16
%endif
%ifnmacro two 3
        db      17
%endif
%iftoken 5
        db      18
%endif
%if call(1, 2) = 3
        db      19
%endif
%ifn 0
        db      20
%endif
here:
        times   10 nop
%assign length $ - here
        db      length
%if length > 5
        times   length nop
%endif
%rep 1000
 %if count > 10
  %exitrep
 %endif
        db      count
 %assign count count + 1
%endrep
%undef YES
%ifdef YES
        db      21
%endif
%push outer
%define %$local 22
        db      %$local
 %push inner
  %define %$local 23
        db      %$local, %$$local
 %pop
        db      %$local
%$label: jmp    %$label
%pop
        two     {1, 2}, 3
