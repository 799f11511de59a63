/** Instructions whose meaning a user program cannot ask a processor about, and the file of tests written from the SDM's page of each. */

const GROUPS: Readonly<Record<string, string>> = {
  'test/isa/hand-tested.test.ts':
    'RDTSC RDTSCP RDPID SERIALIZE RDPMC RDRAND RDSEED SGDT SIDT SLDT STR LGDT LIDT LLDT LTR WBINVD INVD WBNOINVD SWAPGS CLAC STAC INVPCID ' +
    'WRMSRNS RSM MONITOR MWAIT RDPKRU WRPKRU EMMS VMCALL VMFUNC XGETBV XSETBV XSAVES XRSTORS VMXOFF VMCLEAR VMPTRLD VMPTRST VMWRITE INVEPT INVVPID ' +
    'VMLAUNCH VMRESUME',
  'test/isa/system-instructions.test.ts': 'SYSCALL SYSRET LMSW SMSW',
  'test/hw/cpu/privilege.test.ts': 'SYSENTER SYSEXIT INVLPG CLTS RDMSR WRMSR',
  'test/hw/cpu/exceptions.test.ts': 'HLT STI CLI VMXON VMREAD',
  'test/hw/cpu/cpuid.test.ts': 'CPUID',
  'test/devices/pit.test.ts': 'IN OUT',
}

const files = Object.entries(GROUPS).flatMap(([file, names]) => names.split(' ').map(name => [name, file] as const))

export const HAND_TESTED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(files),
  XSAVES64: 'test/isa/hand-tested.test.ts',
  XRSTORS64: 'test/isa/hand-tested.test.ts',
}
