; Reads one line from the console, COM1, by looking at the line status a bounded number of times for each character, and prints it
; back. Without input it ends all the same, and fails.
;
; Expected for the input line `hello`:
;       say something
;       you said: hello
;       PASS: a line came
;       PASS: it is not empty
;       SUMMARY: 2 tests

%include "guest.inc"

LINE_BYTES      equ 80          ; what is longer ends there
PATIENCE        equ 2000        ; looks at the line status before a character is given up; under KVM each is an exit

        print   "say something"
        newline

        lea     rdi, [line]
        xor     ebx, ebx                ; bytes read
        xor     r12d, r12d              ; 1 once the line has ended
next:   mov     edx, COM1_LINE_STATUS
        mov     ecx, PATIENCE
.look:  in      al, dx
        test    al, LINE_STATUS_DATA_READY
        jnz     .read
        pause
        dec     ecx
        jnz     .look
        jmp     judge                   ; the line did not end
.read:  mov     edx, COM1
        in      al, dx
        cmp     al, 10
        je      .end
        cmp     al, 13
        je      .end
        mov     [rdi + rbx], al
        inc     ebx
        cmp     ebx, LINE_BYTES
        jb      next
.end:   mov     r12d, 1

judge:  print   "you said: "
        lea     rsi, [line]
        mov     ecx, ebx
        call    console_text
        newline
        test    r12d, r12d
        report  "a line came", nz
        test    ebx, ebx
        report  "it is not empty", nz

%include "lib.inc"

        variables
line:   times LINE_BYTES db 0
