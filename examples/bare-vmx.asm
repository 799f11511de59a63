; A tiny hypervisor for the bare CPU. It enters VMX operation, makes a VMCS for a guest in its own address space, launches it, and
; handles its exits: a CPUID, which it answers itself; a HLT, which it skips; and a last CPUID, by which the guest says that it is
; done. Guest and hypervisor share the general registers: no VM entry or exit touches them.
;
; Expected:
;       PASS: the CPU has VMX
;       exit reason:         10
;       PASS: the guest left at its CPUID
;       exit reason:         12
;       PASS: the guest left at its HLT
;       exit reason:         10
;       PASS: the guest left at its end
;       PASS: the guest saw our CPUID
;       SUMMARY: 5 tests

%include "guest.inc"
%include "vmx.inc"

HYPERVISOR_LEAF equ 0x40000000
SIGNATURE       equ 0x6b636974          ; 'tick'
CPUID_1_ECX_VMX equ 1 << 5
TSS_LIMIT       equ 103

; expect_exit "test", reason, length, label: judges the exit that has just come, and steps the guest over its instruction.
%macro expect_exit 4
        mov     r8d, %2
        mov     r9d, %3
        lea     r10, [%4]
        call    judge_exit
        show    "exit reason: ", r11
        report  %1, z
%endmacro

        mov     eax, 1
        cpuid
        test    ecx, CPUID_1_ECX_VMX
        report  "the CPU has VMX", nz
        jz      end

        call    load_gdt
        vmx_enable vmxon_region
        vmcs_load vmcs_region
        call    write_controls
        call    write_host_state
        call    write_guest_state

        vmcs_write_address HOST_RIP, at_cpuid
        vmlaunch
        jmp     vmx_failed
at_cpuid:
        expect_exit "the guest left at its CPUID", EXIT_REASON_CPUID, 2, guest.cpuid
        vmcs_write_address HOST_RIP, at_hlt
        mov     ebx, SIGNATURE
        vmresume
        jmp     vmx_failed
at_hlt: expect_exit "the guest left at its HLT", EXIT_REASON_HLT, 1, guest.hlt
        vmcs_write_address HOST_RIP, at_end
        vmresume
        jmp     vmx_failed
at_end: expect_exit "the guest left at its end", EXIT_REASON_CPUID, 2, guest.end

        vmxoff
        cmp     dword [seen], SIGNATURE
        report  "the guest saw our CPUID", e
end:    summary

; What the guest runs. It is at ring 0 in 64-bit mode like us, and cannot tell.
guest:  mov     eax, HYPERVISOR_LEAF
.cpuid: cpuid
        mov     [seen], ebx
.hlt:   hlt
.end:   cpuid
        jmp     .end

; Where the macros of vmx.inc go when a VMX instruction fails: CF, no current VMCS; ZF, one that holds the error's number.
vmx_failed:
        jc      .fail
        mov     edx, VM_INSTRUCTION_ERROR
        vmread  rax, rdx
        show    "VM-instruction error: ", rax
.fail:  test    rsp, rsp
        report  "every VMX instruction succeeds", z
        summary

; ZF := the exit has basic reason R8, instruction length R9 and happened at R10; the guest's RIP := R10 + R9. R11 := the reason.
; Changes RAX, RBX, RDX.
judge_exit:
        vmcs_read VM_EXIT_REASON
        mov     r11, rax
        mov     rbx, rax
        xor     rbx, r8
        vmcs_read VM_EXIT_INSTRUCTION_LEN
        xor     rax, r9
        or      rbx, rax
        vmcs_read GUEST_RIP
        xor     rax, r10
        or      rbx, rax
        lea     rcx, [r10 + r9]
        vmcs_write GUEST_RIP, rcx
        test    rbx, rbx
        ret

; A GDT and a TSS of our own: VM exits load the bases of both, so we must know them. Changes RAX, RDX.
load_gdt:
        lea     rax, [tss]
        mov     [tss_descriptor + 2], ax
        shr     rax, 16
        mov     [tss_descriptor + 4], al
        mov     [tss_descriptor + 7], ah
        lgdt    [gdt_pointer]
        mov     eax, GUEST_TSS_SELECTOR
        ltr     ax
        ret

write_controls:
        vmcs_write_controls PIN_BASED_VM_EXEC_CONTROL, MSR_IA32_VMX_PINBASED_CTLS, 0
        vmcs_write_controls CPU_BASED_VM_EXEC_CONTROL, MSR_IA32_VMX_PROCBASED_CTLS, CPU_BASED_HLT_EXITING
        vmcs_write_controls VM_EXIT_CONTROLS, MSR_IA32_VMX_EXIT_CTLS, VM_EXIT_HOST_ADDR_SPACE_SIZE
        vmcs_write_controls VM_ENTRY_CONTROLS, MSR_IA32_VMX_ENTRY_CTLS, VM_ENTRY_IA32E_MODE
        vmcs_write VMCS_LINK_POINTER, -1
        lea     rbx, [zero_fields]
        xor     eax, eax
.next:  mov     edx, [rbx]
        vmwrite rdx, rax
        jbe     vmx_failed
        add     rbx, 4
        lea     rcx, [zero_fields_end]
        cmp     rbx, rcx
        jb      .next
        ret

; The way back: where we stand, but for RIP, which changes with every entry.
write_host_state:
        mov     rcx, cr0
        vmcs_write HOST_CR0, rcx
        mov     rcx, cr3
        vmcs_write HOST_CR3, rcx
        mov     rcx, cr4
        vmcs_write HOST_CR4, rcx
        vmcs_write HOST_CS_SELECTOR, GUEST_CODE_SELECTOR
        vmcs_write HOST_SS_SELECTOR, GUEST_DATA_SELECTOR
        vmcs_write HOST_DS_SELECTOR, GUEST_DATA_SELECTOR
        vmcs_write HOST_ES_SELECTOR, GUEST_DATA_SELECTOR
        vmcs_write HOST_TR_SELECTOR, GUEST_TSS_SELECTOR
        vmcs_write_address HOST_TR_BASE, tss
        vmcs_write_address HOST_GDTR_BASE, gdt
        lea     rcx, [rsp + 8]
        vmcs_write HOST_RSP, rcx
        ret

; The guest: the same tables and segments, a stack and a RIP of its own.
write_guest_state:
        mov     rcx, cr0
        vmcs_write GUEST_CR0, rcx
        mov     rcx, cr3
        vmcs_write GUEST_CR3, rcx
        mov     rcx, cr4
        vmcs_write GUEST_CR4, rcx
        vmcs_write GUEST_DR7, 0x400
        vmcs_write_address GUEST_RIP, guest
        vmcs_write_address GUEST_RSP, guest_stack_end
        vmcs_write GUEST_RFLAGS, 2

        vmcs_write GUEST_CS_SELECTOR, GUEST_CODE_SELECTOR
        vmcs_write GUEST_CS_LIMIT, 0xffffffff
        vmcs_write GUEST_CS_AR_BYTES, VMX_AR_CODE64
        vmcs_write GUEST_SS_SELECTOR, GUEST_DATA_SELECTOR
        vmcs_write GUEST_SS_LIMIT, 0xffffffff
        vmcs_write GUEST_SS_AR_BYTES, VMX_AR_DATA
        vmcs_write GUEST_DS_SELECTOR, GUEST_DATA_SELECTOR
        vmcs_write GUEST_DS_LIMIT, 0xffffffff
        vmcs_write GUEST_DS_AR_BYTES, VMX_AR_DATA
        vmcs_write GUEST_ES_AR_BYTES, VMX_AR_UNUSABLE
        vmcs_write GUEST_FS_AR_BYTES, VMX_AR_UNUSABLE
        vmcs_write GUEST_GS_AR_BYTES, VMX_AR_UNUSABLE
        vmcs_write GUEST_LDTR_AR_BYTES, VMX_AR_UNUSABLE
        vmcs_write GUEST_TR_SELECTOR, GUEST_TSS_SELECTOR
        vmcs_write_address GUEST_TR_BASE, tss
        vmcs_write GUEST_TR_LIMIT, TSS_LIMIT
        vmcs_write GUEST_TR_AR_BYTES, VMX_AR_TSS_BUSY
        vmcs_write_address GUEST_GDTR_BASE, gdt
        vmcs_write GUEST_GDTR_LIMIT, gdt_end - gdt - 1
        ret

%include "lib.inc"

; What a VMCS holds where nobody wrote is unknown; these are to hold 0.
zero_fields:
        dd      EXCEPTION_BITMAP, PAGE_FAULT_ERROR_CODE_MASK, PAGE_FAULT_ERROR_CODE_MATCH, CR3_TARGET_COUNT
        dd      VM_EXIT_MSR_STORE_COUNT, VM_EXIT_MSR_LOAD_COUNT, VM_ENTRY_MSR_LOAD_COUNT, VM_ENTRY_INTR_INFO_FIELD
        dd      CR0_GUEST_HOST_MASK, CR4_GUEST_HOST_MASK, CR0_READ_SHADOW, CR4_READ_SHADOW
        dd      HOST_FS_SELECTOR, HOST_GS_SELECTOR, HOST_FS_BASE, HOST_GS_BASE, HOST_IDTR_BASE
        dd      HOST_IA32_SYSENTER_CS, HOST_IA32_SYSENTER_ESP, HOST_IA32_SYSENTER_EIP
        dd      GUEST_ES_SELECTOR, GUEST_FS_SELECTOR, GUEST_GS_SELECTOR, GUEST_LDTR_SELECTOR
        dd      GUEST_CS_BASE, GUEST_SS_BASE, GUEST_DS_BASE, GUEST_ES_BASE, GUEST_FS_BASE, GUEST_GS_BASE, GUEST_LDTR_BASE
        dd      GUEST_ES_LIMIT, GUEST_FS_LIMIT, GUEST_GS_LIMIT, GUEST_LDTR_LIMIT, GUEST_IDTR_BASE, GUEST_IDTR_LIMIT
        dd      GUEST_SYSENTER_CS, GUEST_SYSENTER_ESP, GUEST_SYSENTER_EIP, GUEST_IA32_DEBUGCTL
        dd      GUEST_INTERRUPTIBILITY_INFO, GUEST_ACTIVITY_STATE, GUEST_PENDING_DBG_EXCEPTIONS
zero_fields_end:

gdt_pointer:
        dw      gdt_end - gdt - 1
        dq      gdt

        variables
vmxon_region:
        times   4096 db 0
vmcs_region:
        times   4096 db 0

gdt:    dq      0
        dq      0x00af9b000000ffff      ; 64-bit code
        dq      0x00cf93000000ffff      ; data
tss_descriptor:
        dw      TSS_LIMIT, 0            ; bits 15:0 of the base
        db      0, 0x89, 0, 0           ; bits 23:16; present, available TSS; limit; bits 31:24
        dq      0
gdt_end:
tss:    times   TSS_LIMIT + 1 db 0

seen:   dd      0

        align   16, db 0
        times   512 db 0
guest_stack_end:
