/** VMCS fields of 16 and 32 bits (Intel SDM, "Field Encoding in VMCS"), as rows of `vmcs-fields.ts`. */

export const VMCS_FIELDS_16 = {
  // Control.
  VIRTUAL_PROCESSOR_ID: { encoding: 0x0000, sdm: 'virtual-processor identifier' },
  POSTED_INTR_NV: { encoding: 0x0002, sdm: 'posted-interrupt notification vector' },
  EPTP_INDEX: { encoding: 0x0004, sdm: 'EPTP index' },
  HLAT_PREFIX_SIZE: { encoding: 0x0006, sdm: 'HLAT prefix size' },
  LAST_PID_POINTER_INDEX: { encoding: 0x0008, sdm: 'last PID-pointer index' },
  GUEST_APIC_TIMER_VECTOR: { encoding: 0x000a, sdm: 'virtual timer vector' },

  // Guest state.
  GUEST_ES_SELECTOR: { encoding: 0x0800, sdm: 'guest ES selector' },
  GUEST_CS_SELECTOR: { encoding: 0x0802, sdm: 'guest CS selector' },
  GUEST_SS_SELECTOR: { encoding: 0x0804, sdm: 'guest SS selector' },
  GUEST_DS_SELECTOR: { encoding: 0x0806, sdm: 'guest DS selector' },
  GUEST_FS_SELECTOR: { encoding: 0x0808, sdm: 'guest FS selector' },
  GUEST_GS_SELECTOR: { encoding: 0x080a, sdm: 'guest GS selector' },
  GUEST_LDTR_SELECTOR: { encoding: 0x080c, sdm: 'guest LDTR selector' },
  GUEST_TR_SELECTOR: { encoding: 0x080e, sdm: 'guest TR selector' },
  GUEST_INTR_STATUS: { encoding: 0x0810, sdm: 'guest interrupt status' },
  GUEST_PML_INDEX: { encoding: 0x0812, sdm: 'PML index' },
  GUEST_UINV: { encoding: 0x0814, sdm: 'guest UINV' },

  // Host state.
  HOST_ES_SELECTOR: { encoding: 0x0c00, sdm: 'host ES selector' },
  HOST_CS_SELECTOR: { encoding: 0x0c02, sdm: 'host CS selector' },
  HOST_SS_SELECTOR: { encoding: 0x0c04, sdm: 'host SS selector' },
  HOST_DS_SELECTOR: { encoding: 0x0c06, sdm: 'host DS selector' },
  HOST_FS_SELECTOR: { encoding: 0x0c08, sdm: 'host FS selector' },
  HOST_GS_SELECTOR: { encoding: 0x0c0a, sdm: 'host GS selector' },
  HOST_TR_SELECTOR: { encoding: 0x0c0c, sdm: 'host TR selector' },
} as const

export const VMCS_FIELDS_32 = {
  // Control.
  PIN_BASED_VM_EXEC_CONTROL: { encoding: 0x4000, sdm: 'pin-based VM-execution controls' },
  CPU_BASED_VM_EXEC_CONTROL: { encoding: 0x4002, sdm: 'primary processor-based VM-execution controls' },
  EXCEPTION_BITMAP: { encoding: 0x4004, sdm: 'exception bitmap' },
  PAGE_FAULT_ERROR_CODE_MASK: { encoding: 0x4006, sdm: 'page-fault error-code mask' },
  PAGE_FAULT_ERROR_CODE_MATCH: { encoding: 0x4008, sdm: 'page-fault error-code match' },
  CR3_TARGET_COUNT: { encoding: 0x400a, sdm: 'CR3-target count' },
  VM_EXIT_CONTROLS: { encoding: 0x400c, sdm: 'primary VM-exit controls' },
  VM_EXIT_MSR_STORE_COUNT: { encoding: 0x400e, sdm: 'VM-exit MSR-store count' },
  VM_EXIT_MSR_LOAD_COUNT: { encoding: 0x4010, sdm: 'VM-exit MSR-load count' },
  VM_ENTRY_CONTROLS: { encoding: 0x4012, sdm: 'VM-entry controls' },
  VM_ENTRY_MSR_LOAD_COUNT: { encoding: 0x4014, sdm: 'VM-entry MSR-load count' },
  VM_ENTRY_INTR_INFO_FIELD: { encoding: 0x4016, sdm: 'VM-entry interruption-information field' },
  VM_ENTRY_EXCEPTION_ERROR_CODE: { encoding: 0x4018, sdm: 'VM-entry exception error code' },
  VM_ENTRY_INSTRUCTION_LEN: { encoding: 0x401a, sdm: 'VM-entry instruction length' },
  TPR_THRESHOLD: { encoding: 0x401c, sdm: 'TPR threshold' },
  SECONDARY_VM_EXEC_CONTROL: { encoding: 0x401e, sdm: 'secondary processor-based VM-execution controls' },
  PLE_GAP: { encoding: 0x4020, sdm: 'PLE_Gap' },
  PLE_WINDOW: { encoding: 0x4022, sdm: 'PLE_Window' },
  NOTIFY_WINDOW: { encoding: 0x4024, sdm: 'instruction-timeout control' },

  // Exit information.
  VM_INSTRUCTION_ERROR: { encoding: 0x4400, sdm: 'VM-instruction error' },
  VM_EXIT_REASON: { encoding: 0x4402, sdm: 'exit reason' },
  VM_EXIT_INTR_INFO: { encoding: 0x4404, sdm: 'VM-exit interruption information' },
  VM_EXIT_INTR_ERROR_CODE: { encoding: 0x4406, sdm: 'VM-exit interruption error code' },
  IDT_VECTORING_INFO_FIELD: { encoding: 0x4408, sdm: 'IDT-vectoring information field' },
  IDT_VECTORING_ERROR_CODE: { encoding: 0x440a, sdm: 'IDT-vectoring error code' },
  VM_EXIT_INSTRUCTION_LEN: { encoding: 0x440c, sdm: 'VM-exit instruction length' },
  VMX_INSTRUCTION_INFO: { encoding: 0x440e, sdm: 'VM-exit instruction information' },

  // Guest state.
  GUEST_ES_LIMIT: { encoding: 0x4800, sdm: 'guest ES limit' },
  GUEST_CS_LIMIT: { encoding: 0x4802, sdm: 'guest CS limit' },
  GUEST_SS_LIMIT: { encoding: 0x4804, sdm: 'guest SS limit' },
  GUEST_DS_LIMIT: { encoding: 0x4806, sdm: 'guest DS limit' },
  GUEST_FS_LIMIT: { encoding: 0x4808, sdm: 'guest FS limit' },
  GUEST_GS_LIMIT: { encoding: 0x480a, sdm: 'guest GS limit' },
  GUEST_LDTR_LIMIT: { encoding: 0x480c, sdm: 'guest LDTR limit' },
  GUEST_TR_LIMIT: { encoding: 0x480e, sdm: 'guest TR limit' },
  GUEST_GDTR_LIMIT: { encoding: 0x4810, sdm: 'guest GDTR limit' },
  GUEST_IDTR_LIMIT: { encoding: 0x4812, sdm: 'guest IDTR limit' },
  GUEST_ES_AR_BYTES: { encoding: 0x4814, sdm: 'guest ES access rights' },
  GUEST_CS_AR_BYTES: { encoding: 0x4816, sdm: 'guest CS access rights' },
  GUEST_SS_AR_BYTES: { encoding: 0x4818, sdm: 'guest SS access rights' },
  GUEST_DS_AR_BYTES: { encoding: 0x481a, sdm: 'guest DS access rights' },
  GUEST_FS_AR_BYTES: { encoding: 0x481c, sdm: 'guest FS access rights' },
  GUEST_GS_AR_BYTES: { encoding: 0x481e, sdm: 'guest GS access rights' },
  GUEST_LDTR_AR_BYTES: { encoding: 0x4820, sdm: 'guest LDTR access rights' },
  GUEST_TR_AR_BYTES: { encoding: 0x4822, sdm: 'guest TR access rights' },
  GUEST_INTERRUPTIBILITY_INFO: { encoding: 0x4824, sdm: 'guest interruptibility state' },
  GUEST_ACTIVITY_STATE: { encoding: 0x4826, sdm: 'guest activity state' },
  GUEST_SMBASE: { encoding: 0x4828, sdm: 'guest SMBASE' },
  GUEST_SYSENTER_CS: { encoding: 0x482a, sdm: 'guest IA32_SYSENTER_CS' },
  VMX_PREEMPTION_TIMER_VALUE: { encoding: 0x482e, sdm: 'VMX-preemption timer value' },

  // Host state.
  HOST_IA32_SYSENTER_CS: { encoding: 0x4c00, sdm: 'host IA32_SYSENTER_CS' },
} as const
