; What -D gives, with and without a value; %ifndef for what it leaves.  options: -DLEVEL=3 -DDEBUG
%ifndef LEVEL
%error LEVEL comes from the command line
%endif
%ifdef DEBUG
        db      "debug"
%endif
        times LEVEL db LEVEL
%if LEVEL >= 3
  %warning high level
%endif
%ifdef ABSENT
%fatal this cannot be
%endif
        dw      __?LINE?__
        db      __?BITS?__
%if __NASM_MAJOR__ >= 2
        db      2
%endif
