
; Nothing but space, comments, continued lines and brackets around directives.
[bits 32]
[org 0x10]
label_without_colon:

        ; indented comment
        nop     ; after an instruction
also: 
also2:  ;and this
        db 1, \
           2, \
           3
        mov eax, \
            ebx
[section .text]
[default abs]
Label:  dd label_without_colon, also, also2, Label
	nop	; tabs
