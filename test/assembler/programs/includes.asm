; %include with a guard, nested files, and incbin in whole and in part.
        bits    64
%include "include/port.inc"
%include "include/nested.inc"
%if PORT_TIMES != 2
%error the guard failed
%endif
start:  out_byte 0xE9, 'A'
        out_byte 0x80, nested_value
        ret
blob:   incbin  "include/blob.dat"
.end:
part:   incbin  "include/blob.dat", 4
few:    incbin  "include/blob.dat", 4, 5
        dd      blob.end - blob, few - part, PORT_TIMES
