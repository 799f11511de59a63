/**
 * A small hypervisor around a piece of guest code: it enters the guest, and at each exit skips the instruction if there is one to
 * skip, until the guest executes VMCALL. It prints nothing: the observer sees its VMCS. Its guest lives in its own address space.
 */

import { readFileSync } from 'node:fs'
import { assemble } from '../../../src/assembler/assemble.ts'
import type { Image } from '../../../src/assembler/image.ts'
import { renderDiagnostics } from '../../../src/assembler/render-diagnostics.ts'
import type { CpuFeature } from '../../../src/spec/cpu-models.ts'
import { CONTROL_WORDS, type ControlName, VMX_CONTROLS } from '../../../src/spec/vmx-controls.ts'

export interface Scenario {
  readonly name: string
  readonly controls?: readonly ControlName[]
  /** What the processor has although KVM does not report it: the scenario is about an allowed difference. */
  readonly unreported?: CpuFeature
  /** Before the first entry, with the VMCS written. */
  readonly setUp?: string
  /** The guest: ends by VMCALL, which is added. */
  readonly guest?: string
  /** At each exit before it is looked at; `exits` counts them from 1. RAX, RCX and RDX may be changed. */
  readonly atExit?: string
  /** Instead of entering: code of the hypervisor alone. */
  readonly alone?: string
  /** The exit after which to stop, when the guest does not come to its VMCALL. */
  readonly exits?: number
}

const include = (name: string) => ({ file: name, text: readFileSync(new URL(`../../../asm/include/${name}`, import.meta.url), 'utf8') })

/** Sets controls in the words that have them; the secondary word is activated by its first. */
function setControls(names: readonly ControlName[]): string {
  const words = (Object.keys(CONTROL_WORDS) as (keyof typeof CONTROL_WORDS)[]).map(word => {
    const mask = names.reduce((bits, name) => (VMX_CONTROLS[name].word === word ? bits | (1 << VMX_CONTROLS[name].bit) : bits), 0) >>> 0
    return mask === 0
      ? ''
      : `  vmcs_read ${CONTROL_WORDS[word].field}\n  mov rcx, rax\n  or ecx, ${mask}\n  vmcs_write ${CONTROL_WORDS[word].field}, rcx\n`
  })
  return words.join('')
}

const activating = (names: readonly ControlName[]): readonly ControlName[] =>
  names.some(name => VMX_CONTROLS[name].word === 'secondary') ? ['CPU_BASED_ACTIVATE_SECONDARY_CONTROLS', ...names] : names

/** Identity map of the first GByte with 2-MByte pages, but for the first 2 MBytes of `ept_pt`, 4 KBytes each. */
const EPT_CODE = `
build_ept:
        lea     rdi, [ept_pml4]
        lea     rax, [ept_pdpt]
        or      rax, 7
        mov     [rdi], rax
        lea     rdi, [ept_pdpt]
        lea     rax, [ept_pd]
        or      rax, 7
        mov     [rdi], rax
        lea     rdi, [ept_pd]
        mov     eax, 0xb7
.large: mov     [rdi], rax
        add     rdi, 8
        add     eax, 0x200000
        cmp     eax, 0x40000000
        jb      .large
        lea     rax, [ept_pt]
        or      rax, 7
        mov     [ept_pd + 8], rax
        lea     rdi, [ept_pt]
        mov     eax, 0x200037
.small: mov     [rdi], rax
        add     rdi, 8
        add     eax, 0x1000
        cmp     eax, 0x400000
        jb      .small
        lea     rcx, [ept_pml4]
        or      rcx, 0x1e
        vmcs_write EPT_POINTER, rcx
        ret
`

export function sourceOf({ controls = [], setUp = '', guest = '', atExit = '', alone = '', exits = 200 }: Scenario): string {
  return `%include "guest.inc"
%include "nested-test.inc"
        load_idt
        set_gate 3, gate
        set_gate 1, gate
        set_gate 2, gate
        set_gate 4, gate
        set_gate 6, gate
        set_gate 13, gate_with_code
        set_gate 14, gate_with_code
        set_gate 8, gate_with_code
        set_gate 0x40, gate
        set_gate 0x55, gate
        set_gate 0xec, gate
        call    load_gdt
${alone === '' ? entering(controls, setUp, atExit, exits) : `${alone}\n        exit 0\n`}
l2_main:
${guest}
        vmcall
        jmp     $ - 3
vmx_failed:
        exit    99
; Handlers of both levels: count, and return.
gate_with_code:
        add     rsp, 8
gate:   inc     dword [delivered]
        iretq
${EPT_CODE}
        nested_test_code
%include "lib.inc"
        variables
delivered: dd 0
exits:  dd 0
        nested_test_data
        align   4096, db 0
ept_pml4: times 4096 db 0
ept_pdpt: times 4096 db 0
ept_pd: times 4096 db 0
ept_pt: times 4096 db 0
io_bitmap: times 8192 db 0
area:   times 4096 db 0
spare:  times 4096 db 0
`
}

const entering = (controls: readonly ControlName[], setUp: string, atExit: string, exits: number): string => `
        vmx_enable vmxon_region
        call    load_vmcs
        call    set_up_vmcs
        vmcs_write CPU_BASED_VM_EXEC_CONTROL, 0
        vmcs_write_controls CPU_BASED_VM_EXEC_CONTROL, MSR_IA32_VMX_TRUE_PROCBASED_CTLS, CPU_BASED_USE_MSR_BITMAPS
        vmcs_write_controls PIN_BASED_VM_EXEC_CONTROL, MSR_IA32_VMX_TRUE_PINBASED_CTLS, 0
        vmcs_write SECONDARY_VM_EXEC_CONTROL, 0
        vmcs_write TSC_MULTIPLIER, 1 << 48
${setControls(activating(controls))}
${setUp}
        call    l2_launch
        jmp     .exited
.again: call    l2_resume
.exited:
        inc     dword [exits]
        cmp     rax, -1
        je      .failed
${atExit}
        vmcs_read VM_EXIT_REASON
        test    eax, eax
        js      .end
        cmp     eax, EXIT_REASON_VMCALL
        je      .end
        cmp     eax, EXIT_REASON_TRIPLE_FAULT
        je      .end
        cmp     dword [exits], ${exits}
        jae     .end
        cmp     eax, EXIT_REASON_EXTERNAL_INTERRUPT
        je      .again
        cmp     eax, EXIT_REASON_EXCEPTION_NMI
        je      .again
        cmp     eax, EXIT_REASON_INTERRUPT_WINDOW
        je      .again
        cmp     eax, EXIT_REASON_NMI_WINDOW
        je      .again
        cmp     eax, EXIT_REASON_PREEMPTION_TIMER
        je      .again
        cmp     eax, EXIT_REASON_MONITOR_TRAP_FLAG
        je      .again
        cmp     eax, EXIT_REASON_TPR_BELOW_THRESHOLD
        je      .again
        cmp     eax, EXIT_REASON_EOI_INDUCED
        je      .again
        cmp     eax, EXIT_REASON_APIC_WRITE
        je      .again
        skip
        jmp     .again
.failed:
        vmcs_read VM_INSTRUCTION_ERROR
.end:   exit    0
`

export function assembled(scenario: Scenario): Image {
  const result = assemble(sourceOf(scenario), { file: `${scenario.name}.asm`, include })
  if (result.image === undefined) throw new Error(renderDiagnostics(result.diagnostics, result.sources))
  return result.image
}
