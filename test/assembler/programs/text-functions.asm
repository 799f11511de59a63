; %strlen, %substr, %strcat, %defstr, %deftok, %+, %[ ].
%define greeting 'hello, world'
%strlen length greeting
        db length, greeting
%substr first greeting 1
%substr some greeting 3,4
%substr rest greeting 8,-1
        db first, some, rest
%strcat both 'one', "two", `\n`
        db both
%strlen bothlen both
        db bothlen
%defstr quoted a + b
        db quoted
%deftok token_ 'dd'
        token_ 1234
%define prefix field
%define join(a,b) a %+ b
        join(d, w) 5
field_1 equ 9
        db prefix %+ _1
%assign k 3
value3 equ 33
        db value%[k]
%xdefine frozen k
%assign k 4
        db frozen, k
%define lazy k
%assign k 5
        db lazy
%undef lazy
lazy    equ 6
        db lazy
%idefine Shout(x) x, x
        db shout(1), SHOUT(2)
