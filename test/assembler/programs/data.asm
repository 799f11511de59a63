; Data of every size, numbers in every spelling, strings, and what resolves to numbers.
        db      0x1F, 1Fh, $1F, 0x1_0, 31, 31d, 0d31, 0o37, 37q, 37o, 0q37, 11111b, 0b1_1111, 0y11111, 11111y, 0h1f
        db      'a', "b", `c\n\t\x41\101\u00e9\e\0`, 'don', "it's", 0
        dw      'ab', 'abc', 1234h, -1, $, label, label - $$
        dd      'abcd', 1.5, -2.25, 1e3, 0x12345678, -1, label
        dq      'abcdefgh', 1.5, -1.0e-3, 0x123456789abcdef0, label, -1
label:  db      1 + 2 * 3, (1 + 2) * 3, 7 / 2, 7 % 3, -7 // 2, -7 %% 3, ~0, !5, !0, 1 << 3, 0x80 >> 3, 5 & 3, 5 | 3, 5 ^ 3
        db      5 = 5, 5 == 4, 5 != 4, 5 <> 5, 4 < 5, 5 <= 5, 5 > 6, 6 >= 6, 1 && 0, 1 || 0, 1 ^^ 1, -1 < 1
        dq      -1 >> 60, -1 >>> 60, 1 <<< 4, 1 << 63, 10 - 3 - 2, 100 / 5 / 2, - - 5, +-+3
size    equ     $ - label
        dd      size, later
        times   3 db 1, 2
        times   size - 20 db 0xff
buffer: resb    4
        resw    2
        resd    1
        resq    1
        align   16
        db      1
        align   16, db 0
        db      2
        alignb  8
later   equ     buffer - label + 1
        dw      later
tail    db      'tail'
$mov:   dw      $mov
