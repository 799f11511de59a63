; Local labels under several parents, full names, and labels outside every scope.
        bits    32
first:  mov     ecx, 5
.loop:  dec     ecx
        jnz     .loop
        jmp     second.loop
second: mov     ecx, 6
.loop:  loop    .loop
        jmp     first.loop
..@apart:
        jz      .loop
        jmp     ..@apart
third:
.a:     dd      .a, .b, first.loop, second.loop
.b      dd      .b - .a
$mov:   dd      $mov
        call    third.a
