; %rep with %exitrep, nested, computed tables, times of instructions.
        bits    32
%assign i 0
%rep 8
        dd      i * i
  %assign i i + 1
%endrep
%assign n 1
%rep 100
  %if n > 200
    %exitrep
  %endif
        dw      n
  %assign n n * 3
%endrep
%assign row 0
%rep 3
  %assign column 0
  %rep 4
        db      row * 16 + column
    %assign column column + 1
  %endrep
  %assign row row + 1
%endrep
        times 5 nop
        times 3 add eax, 0x12345
%rep 0
        ud2
%endrep
