/**
 * What the VM-instruction error field says after VMfailValid (Intel SDM, "VM-Instruction Error Numbers"). Names are Linux's
 * (`asm/vmx.h`); numbers absent here are not used.
 */

export interface InstructionErrorRow {
  readonly number: number
  readonly meaning: string
}

export const VMX_INSTRUCTION_ERRORS = {
  VMXERR_VMCALL_IN_VMX_ROOT_OPERATION: { number: 1, meaning: 'VMCALL was executed in VMX root operation' },
  VMXERR_VMCLEAR_INVALID_ADDRESS: { number: 2, meaning: 'VMCLEAR with an unaligned or too wide physical address' },
  VMXERR_VMCLEAR_VMXON_POINTER: { number: 3, meaning: 'VMCLEAR of the VMXON region' },
  VMXERR_VMLAUNCH_NONCLEAR_VMCS: { number: 4, meaning: 'VMLAUNCH with a VMCS that is already launched' },
  VMXERR_VMRESUME_NONLAUNCHED_VMCS: { number: 5, meaning: 'VMRESUME with a VMCS that is not launched' },
  VMXERR_VMRESUME_AFTER_VMXOFF: { number: 6, meaning: 'VMRESUME after VMXOFF and VMXON came between it and VMLAUNCH' },
  VMXERR_ENTRY_INVALID_CONTROL_FIELD: { number: 7, meaning: 'VM entry refused: a control field is invalid' },
  VMXERR_ENTRY_INVALID_HOST_STATE_FIELD: { number: 8, meaning: 'VM entry refused: a host-state field is invalid' },
  VMXERR_VMPTRLD_INVALID_ADDRESS: { number: 9, meaning: 'VMPTRLD with an unaligned or too wide physical address' },
  VMXERR_VMPTRLD_VMXON_POINTER: { number: 10, meaning: 'VMPTRLD of the VMXON region' },
  VMXERR_VMPTRLD_INCORRECT_VMCS_REVISION_ID: { number: 11, meaning: 'VMPTRLD of a region with another revision identifier' },
  VMXERR_UNSUPPORTED_VMCS_COMPONENT: { number: 12, meaning: 'VMREAD or VMWRITE of a field that this processor does not have' },
  VMXERR_VMWRITE_READ_ONLY_VMCS_COMPONENT: { number: 13, meaning: 'VMWRITE to a read-only field' },
  VMXERR_VMXON_IN_VMX_ROOT_OPERATION: { number: 15, meaning: 'VMXON was executed in VMX root operation' },
  VMXERR_ENTRY_INVALID_EXECUTIVE_VMCS_POINTER: { number: 16, meaning: 'VM entry refused: invalid executive-VMCS pointer' },
  VMXERR_ENTRY_NONLAUNCHED_EXECUTIVE_VMCS: { number: 17, meaning: 'VM entry refused: the executive VMCS is not launched' },
  VMXERR_ENTRY_EXECUTIVE_VMCS_POINTER_NOT_VMXON_POINTER: {
    number: 18,
    meaning: 'VM entry refused: the executive-VMCS pointer is not the VMXON pointer, and dual-monitor treatment is to end',
  },
  VMXERR_VMCALL_NONCLEAR_VMCS: { number: 19, meaning: 'VMCALL for dual-monitor treatment with a VMCS that is not clear' },
  VMXERR_VMCALL_INVALID_VM_EXIT_CONTROL_FIELDS: { number: 20, meaning: 'VMCALL for dual-monitor treatment: invalid VM-exit controls' },
  VMXERR_VMCALL_INCORRECT_MSEG_REVISION_ID: { number: 22, meaning: 'VMCALL for dual-monitor treatment: wrong MSEG revision identifier' },
  VMXERR_VMXOFF_UNDER_DUAL_MONITOR_TREATMENT_OF_SMIS_AND_SMM: {
    number: 23,
    meaning: 'VMXOFF under dual-monitor treatment of SMIs and SMM',
  },
  VMXERR_VMCALL_INVALID_SMM_MONITOR_FEATURES: { number: 24, meaning: 'VMCALL for dual-monitor treatment: invalid SMM-monitor features' },
  VMXERR_ENTRY_INVALID_VM_EXECUTION_CONTROL_FIELDS_IN_EXECUTIVE_VMCS: {
    number: 25,
    meaning: 'VM entry refused: invalid VM-execution controls in the executive VMCS',
  },
  VMXERR_ENTRY_EVENTS_BLOCKED_BY_MOV_SS: { number: 26, meaning: 'VM entry refused: events are blocked by MOV SS' },
  VMXERR_INVALID_OPERAND_TO_INVEPT_INVVPID: { number: 28, meaning: 'INVEPT or INVVPID with an invalid operand' },
} as const satisfies Readonly<Record<string, InstructionErrorRow>>

export type InstructionErrorName = keyof typeof VMX_INSTRUCTION_ERRORS

const names: ReadonlyMap<number, InstructionErrorName> = new Map(
  Object.entries(VMX_INSTRUCTION_ERRORS).map(([name, row]) => [row.number, name as InstructionErrorName]),
)

export const instructionErrorName = (number: number): InstructionErrorName | undefined => names.get(number)
