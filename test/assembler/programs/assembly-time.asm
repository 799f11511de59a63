; Conditions of every kind.
        bits    16
%define YES
%define number 42
%define word_ hello
%define string_ 'text'
%ifdef YES
        db 1
%else
        db 0
%endif
%ifndef NO
        db 2
%endif
%if number > 40 && number < 50
        db 3
%elif number == 0
        db 0
%else
        db 0
%endif
%ifidn word_, hello
        db 4
%endif
%ifidni HELLO,word_
        db 5
%endif
%ifnidn a, b
        db 6
%endif
%ifnum number
        db 7
%endif
%ifnum word_
        db 0
%endif
%ifid word_
        db 8
%endif
%ifstr string_
        db 9
%endif
%ifempty
        db 10
%endif
%macro m 1-2
%endmacro
%ifmacro m 1
        db 11
%endif
%ifmacro m 3
        db 0
%endif
%iftoken number
        db 12
%endif
%ifn 0
        db 13
%endif
%if 0
  %if 1
        db 0
  %else
        db 0
  %endif
%elifdef YES
        db 14
%endif
