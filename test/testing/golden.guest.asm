;! test    "the exits of a run are kept beside its file"
;! group   testing
;! matrix  level = L0, L1
;! golden  exits

; No console: how many exits a character costs is another test's affair.

%include "guest.inc"

        xor     eax, eax
        cpuid                           ;= no-exit when level=L0        ;= exit CPUID when level=L1
        read_msr MSR_IA32_APICBASE
        exit    0
