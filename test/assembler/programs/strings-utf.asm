; Strings: quotes of three kinds, escapes, characters beyond ASCII, and units wider than a byte.
        db      'single "inside"', "double 'inside'", `back \`tick\` \\ \" \'`
        db      `\a\b\t\n\v\f\r\e`, `\0`, `\x7f\101`
        db      `\u263a`, `\U0001F600`, "é", 'ü'
        dw      'abc', 'a', "abcd"
        dd      'abcde', 'xy'
        dq      'abcdefghi'
        db      '', "x", 0
        mov_:   dw 'mo' + 1
        db      'a' + 1, 'b' - 'a'
        times   3 db "ab"
        db      'semi;colon', "com,ma"  ; not part of it
        db      "continued", \
                " line", 0
