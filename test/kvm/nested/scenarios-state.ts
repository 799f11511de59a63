/** Entry failures of every kind, MSR areas, EPT, the virtual APIC, posted interrupts, VPID, and VMX instructions of the hypervisor. */

import type { Scenario } from './scenario.ts'

const FAILURES: readonly (readonly [name: string, set: string])[] = [
  ['a reserved pin-based control', 'vmcs_write PIN_BASED_VM_EXEC_CONTROL, -1'],
  ['no must-be-1 controls', 'vmcs_write CPU_BASED_VM_EXEC_CONTROL, 0'],
  ['a CR3-target count of 5', 'vmcs_write CR3_TARGET_COUNT, 5'],
  ['a CR3-target count of 1', 'vmcs_write CR3_TARGET_COUNT, 1'],
  ['an unaligned MSR bitmap', 'vmcs_write MSR_BITMAP, 8'],
  ['an unaligned MSR area', 'vmcs_write VM_ENTRY_MSR_LOAD_COUNT, 1\nvmcs_write VM_ENTRY_MSR_LOAD_ADDR, 8'],
  ['an event that cannot be', 'mov ecx, 0x80000100\nvmcs_write VM_ENTRY_INTR_INFO_FIELD, rcx'],
  ['a host CR0 without PG', 'vmcs_write HOST_CR0, 0x21'],
  ['a host CR4 without VMXE', 'vmcs_write HOST_CR4, 0x20'],
  ['a host CR3 beyond the width', 'mov rcx, 1 << 60\nvmcs_write HOST_CR3, rcx'],
  ['a host TR of 0', 'vmcs_write HOST_TR_SELECTOR, 0'],
  ['a host RIP that is not canonical', 'mov rcx, 1 << 60\nvmcs_write HOST_RIP, rcx'],
  ['a guest CR0 without NE', 'vmcs_read GUEST_CR0\nmov rcx, rax\nand ecx, ~0x20\nvmcs_write GUEST_CR0, rcx'],
  ['guest RFLAGS without bit 1', 'vmcs_write GUEST_RFLAGS, 0'],
  ['a link pointer that is none', 'vmcs_write VMCS_LINK_POINTER, 1'],
  ['a link pointer to no VMCS', 'lea rcx, [spare]\nvmcs_write VMCS_LINK_POINTER, rcx'],
  ['a guest CS that is data', 'vmcs_write GUEST_CS_AR_BYTES, 0xc093'],
  ['an activity state of 4', 'vmcs_write GUEST_ACTIVITY_STATE, 4'],
  ['shutdown, which is not offered', 'vmcs_write GUEST_ACTIVITY_STATE, 2'],
  ['STI blocking without IF', 'vmcs_write GUEST_INTERRUPTIBILITY_INFO, 1'],
  [
    'an MSR that cannot be loaded',
    'mov dword [area], 0x12345\nvmcs_write_address VM_ENTRY_MSR_LOAD_ADDR, area\nvmcs_write VM_ENTRY_MSR_LOAD_COUNT, 1',
  ],
  [
    'a second MSR that cannot be loaded',
    'mov dword [area], 0xc0000082\nmov dword [area + 16], 0xc0000100\nvmcs_write_address VM_ENTRY_MSR_LOAD_ADDR, area\nvmcs_write VM_ENTRY_MSR_LOAD_COUNT, 2',
  ],
  [
    'an MSR entry with reserved bits',
    'mov dword [area], 0xc0000082\nmov dword [area + 4], 1\nvmcs_write_address VM_ENTRY_MSR_LOAD_ADDR, area\nvmcs_write VM_ENTRY_MSR_LOAD_COUNT, 1',
  ],
]

const AREAS = `
        mov     dword [area], 0xc0000082
        mov     qword [area + 8], 0x1111
        mov     dword [area + 256], 0xc0000082
        mov     dword [area + 272], 0x174
        mov     dword [area + 512], 0xc0000082
        mov     qword [area + 520], 0x2222
        vmcs_write_address VM_ENTRY_MSR_LOAD_ADDR, area
        vmcs_write VM_ENTRY_MSR_LOAD_COUNT, 1
        vmcs_write_address VM_EXIT_MSR_STORE_ADDR, area + 256
        vmcs_write VM_EXIT_MSR_STORE_COUNT, 2
        vmcs_write_address VM_EXIT_MSR_LOAD_ADDR, area + 512
        vmcs_write VM_EXIT_MSR_LOAD_COUNT, 1`

const EPT = ['SECONDARY_EXEC_ENABLE_EPT'] as const
/** The page at 0x300000 + n pages, as entry 0x100 + n of the table. */
const page = (n: number, entry: string): string => `mov rcx, ${entry}\nmov [ept_pt + ${(0x100 + n) * 8}], rcx\n`
const touching = (access: string): string => `mov edi, 0x300000\n${access}`
/** After the exit the page is mapped well. */
const REPAIR =
  'mov qword [ept_pt + 0x100 * 8], 0x300037\nxor ecx, ecx\npush 0\npush rax\nmov ecx, 2\ninvept rcx, [rsp]\nadd rsp, 16\nvmcs_write VM_EXIT_INSTRUCTION_LEN, 0'

const ept = (name: string, entry: string, access: string, more = ''): Scenario => ({
  name: `EPT: ${name}`,
  controls: EPT,
  setUp: `call build_ept\n${page(0, entry)}${more}`,
  guest: touching(access),
  atExit: REPAIR,
  exits: 4,
})

const APIC = [
  'PIN_BASED_EXT_INTR_MASK',
  'CPU_BASED_TPR_SHADOW',
  'SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE',
  'SECONDARY_EXEC_APIC_REGISTER_VIRT',
  'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY',
] as const

/** Every encoding of a width and a group, whole and high half: what VMREAD and VMWRITE say. */
const EVERY_ENCODING = `
        vmx_enable vmxon_region
        call    load_vmcs
        xor     ebx, ebx
.next:  mov     eax, ebx                ; 10:9 width, 8:7 group, 6:0 index and high half
        and     eax, 0x7f
        mov     edx, ebx
        and     edx, 0x180
        shl     edx, 3
        or      eax, edx
        mov     edx, ebx
        and     edx, 0x600
        shl     edx, 4
        or      eax, edx
        mov     ecx, 0x5a
        vmwrite rax, rcx
        vmread  rcx, rax
        inc     ebx
        cmp     ebx, 0x800
        jb      .next
        mov     ebx, 0x8000
        vmread  rcx, rbx
        mov     ebx, 1
        shl     rbx, 40
        vmread  rcx, rbx`

const status = 'pushfq\npop r15\nand r15, 0x8d5\n'
const IN_VMX = 'vmx_enable vmxon_region\n'
const alone = (name: string, code: string): Scenario => ({ name, alone: `${code}\n${status}` })

const INVALIDATIONS = ['invept', 'invvpid'].flatMap(mnemonic =>
  [0, 1, 2, 3, 4, 0x1_0001].flatMap(type =>
    [
      ['zeros', 'mov qword [spare], 0\nmov qword [spare + 8], 0'],
      ['a VPID', 'mov qword [spare], 1\nmov qword [spare + 8], 0x1000'],
      ['reserved bits', 'mov qword [spare], 0x10001\nmov qword [spare + 8], 0'],
      ['an address that is not canonical', 'mov qword [spare], 1\nmov rax, 1 << 60\nmov [spare + 8], rax'],
      ['an EPT pointer', 'lea rax, [ept_pml4 + 0x1e]\nmov [spare], rax\nmov qword [spare + 8], 0'],
    ].map(
      ([what, put]): Scenario =>
        alone(
          `${mnemonic} of type ${type}, ${what}`,
          `${IN_VMX}call load_vmcs\n${put}\nmov ecx, ${type}\n${mnemonic} rcx, [spare]\nvmcs_read VM_INSTRUCTION_ERROR`,
        ),
    ),
  ),
)

export const STATE_SCENARIOS: readonly Scenario[] = [
  ...FAILURES.map(([name, setUp]): Scenario => ({ name: `an entry with ${name}`, setUp })),
  { name: 'VMLAUNCH twice', guest: 'cpuid', atExit: 'call l2_launch\nvmcs_read VM_INSTRUCTION_ERROR', exits: 2 },
  { name: 'VMRESUME of a clear VMCS', setUp: 'call l2_resume\nvmcs_read VM_INSTRUCTION_ERROR' },
  { name: 'an entry behind MOV SS', setUp: 'mov ax, ss\nmov ss, ax\nvmlaunch\nvmcs_read VM_INSTRUCTION_ERROR' },
  {
    name: 'MSR areas',
    setUp: AREAS,
    guest: 'mov ecx, 0xc0000082\nrdmsr\nmov r12d, eax\nmov eax, 0x3333\nxor edx, edx\nwrmsr\nmov ecx, 0x174\nwrmsr\ncpuid',
    atExit: 'mov ecx, 0xc0000082\nrdmsr',
  },
  {
    name: 'EFER, PAT and debug controls saved and loaded',
    controls: [
      'VM_EXIT_SAVE_IA32_EFER',
      'VM_EXIT_LOAD_IA32_EFER',
      'VM_ENTRY_LOAD_IA32_EFER',
      'VM_EXIT_SAVE_IA32_PAT',
      'VM_EXIT_LOAD_IA32_PAT',
      'VM_ENTRY_LOAD_IA32_PAT',
      'VM_EXIT_SAVE_DEBUG_CONTROLS',
      'VM_ENTRY_LOAD_DEBUG_CONTROLS',
    ],
    setUp:
      'read_msr 0xc0000080\nmov rcx, rax\nvmcs_write GUEST_IA32_EFER, rcx\nvmcs_write HOST_IA32_EFER, rcx\nmov rcx, 0x0007040600070406\nvmcs_write HOST_IA32_PAT, rcx\nmov rcx, 0x0606060606060606\nvmcs_write GUEST_IA32_PAT, rcx',
    guest: 'mov ecx, 0x277\nrdmsr\nmov edx, 0x05050505\nwrmsr\nmov ecx, 0xc0000080\nrdmsr\nor eax, 1\nwrmsr\nmov eax, 0x455\nmov dr7, rax',
    atExit: 'mov ecx, 0x277\nrdmsr\nmov ecx, 0xc0000080\nrdmsr\nmov rax, dr7',
  },
  ept('a read of no page', '0', 'mov eax, [rdi]'),
  ept('a write of no page', '0', 'mov [rdi], eax'),
  ept('a fetch from no page', '0', 'mov byte [rdi + 0], 0xc3\ncall rdi'),
  ept('a write of a read-only page', '0x300031', 'mov eax, [rdi]\nmov [rdi + 8], eax'),
  ept('a read of an execute-only page', '0x300034', 'mov eax, [rdi]'),
  ept('a fetch from a page without execute', '0x300033', 'mov byte [rdi], 0xc3\ncall rdi'),
  ept('an access that modifies', '0x300031', 'inc dword [rdi + 16]'),
  ept('writable and not readable', '0x300032', 'mov eax, [rdi]'),
  ept('a reserved memory type', '0x300017', 'mov eax, [rdi]'),
  ept('an address beyond the width', '(1 << 50) | 0x37', 'mov eax, [rdi]'),
  ept('a stack push during delivery', '0', 'mov esp, 0x300ff0\nint3'),
  ept('two pages of one access', '0', 'mov rax, [rdi - 4]'),
  {
    name: 'EPT: an injected event whose stack is not there',
    controls: EPT,
    setUp: `call build_ept\n${page(0, '0')}vmcs_write GUEST_RSP, 0x300ff0\nmov ecx, 0x80000306\nvmcs_write VM_ENTRY_INTR_INFO_FIELD, rcx`,
    guest: 'nop',
    atExit: REPAIR,
    exits: 2,
  },
  {
    name: 'EPT: no memory type but those two',
    controls: EPT,
    setUp: 'call build_ept\nvmcs_read EPT_POINTER\nlea rcx, [rax - 2]\nvmcs_write EPT_POINTER, rcx',
    guest: 'nop',
  },
  {
    name: 'EPT: uncached tables',
    controls: EPT,
    setUp: 'call build_ept\nvmcs_read EPT_POINTER\nlea rcx, [rax - 6]\nvmcs_write EPT_POINTER, rcx',
    guest: 'nop',
  },
  {
    name: 'EPT: accessed and dirty flags',
    controls: EPT,
    setUp: 'call build_ept\nvmcs_read EPT_POINTER\nlea rcx, [rax + 0x40]\nvmcs_write EPT_POINTER, rcx',
    guest: 'mov edi, 0x300000\nmov eax, [rdi]\nmov [rdi + 0x1000], eax',
  },
  { name: 'a VPID', controls: ['SECONDARY_EXEC_ENABLE_VPID'], setUp: 'vmcs_write VIRTUAL_PROCESSOR_ID, 5', guest: 'cpuid' },
  { name: 'a VPID of 0', controls: ['SECONDARY_EXEC_ENABLE_VPID'], guest: 'cpuid' },
  {
    name: 'the TPR shadow and its threshold',
    controls: ['CPU_BASED_TPR_SHADOW'],
    setUp: 'mov dword [virtual_apic + 0x80], 0x50\nvmcs_write TPR_THRESHOLD, 5',
    guest: 'mov eax, 9\nmov cr8, rax\nmov rdi, cr8\nmov eax, 2\nmov cr8, rax\nmov rsi, cr8',
  },
  {
    name: 'x2APIC registers',
    controls: APIC,
    setUp: 'mov dword [virtual_apic + 0x30], 0x1234\nmov dword [virtual_apic + 0x320], 0x40055',
    guest:
      'mov ecx, 0x803\nrdmsr\nmov r12d, eax\nmov ecx, 0x808\nmov eax, 0x30\nxor edx, edx\nwrmsr\nrdmsr\nmov ecx, 0x832\nrdmsr\nmov ecx, 0x80a\nrdmsr',
  },
  {
    name: 'a virtual interrupt, its EOI and a self-IPI',
    controls: APIC,
    setUp: 'mov dword [virtual_apic + 0x220], 1\nvmcs_write GUEST_INTR_STATUS, 0x40\nvmcs_write GUEST_RFLAGS, 0x202',
    guest:
      'nop\nnop\nmov ecx, 0x80b\nxor eax, eax\nxor edx, edx\nwrmsr\nmov ecx, 0x83f\nmov eax, 0x55\nwrmsr\nnop\nmov ecx, 0x80b\nxor eax, eax\nwrmsr',
  },
  {
    name: 'an EOI that leaves',
    controls: APIC,
    setUp:
      'mov dword [virtual_apic + 0x220], 1\nvmcs_write GUEST_INTR_STATUS, 0x40\nvmcs_write GUEST_RFLAGS, 0x202\nvmcs_write EOI_EXIT_BITMAP1, 1',
    guest: 'nop\nnop\nmov ecx, 0x80b\nxor eax, eax\nxor edx, edx\nwrmsr\nnop',
  },
  {
    name: 'a posted interrupt',
    controls: [...APIC, 'PIN_BASED_POSTED_INTR', 'VM_EXIT_ACK_INTR_ON_EXIT'],
    setUp:
      'x2apic_enable\nvmcs_write POSTED_INTR_NV, 0xf2\nvmcs_write_address POSTED_INTR_DESC_ADDR, area\nmov dword [area + 8], 1\nmov dword [area + 32], 1\nwrite_msr 0x83f, 0xf2\nvmcs_write GUEST_RFLAGS, 0x202',
    guest: 'nop\nnop\nnop',
  },
  {
    name: 'APIC accesses in memory',
    controls: ['CPU_BASED_TPR_SHADOW', 'SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES', 'SECONDARY_EXEC_ENABLE_EPT'],
    setUp: 'call build_ept\nvmcs_write APIC_ACCESS_ADDR, 0x300000',
    guest: 'mov edi, 0x300000\nmov eax, [rdi + 0x80]\nmov dword [rdi + 0x80], 0x30\nmov eax, [rdi + 0x30]\nmov [rdi + 0x300], eax',
    exits: 6,
  },
  {
    name: 'APIC accesses in memory, wide and across pages',
    controls: ['CPU_BASED_TPR_SHADOW', 'SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES', 'SECONDARY_EXEC_ENABLE_EPT'],
    setUp: 'call build_ept\nvmcs_write APIC_ACCESS_ADDR, 0x300000',
    guest:
      'mov edi, 0x300000\nmov rax, [rdi + 0x80]\nmov [rdi + 0x80], rdi\nmov [rdi - 2], edi\nmov eax, [rdi + 0xffe]\nmov eax, [rdi + 0x80]',
    exits: 6,
  },
  {
    name: 'the guest timer',
    controls: [...APIC, 'CPU_BASED_ACTIVATE_TERTIARY_CONTROLS', 'TERTIARY_EXEC_GUEST_APIC_TIMER'],
    setUp: 'vmcs_write GUEST_APIC_TIMER_VECTOR, 0xec\nvmcs_write GUEST_RFLAGS, 0x202',
    guest:
      'mov ecx, 0x6e0\nmov eax, 1\nxor edx, edx\nwrmsr\nnop\nrdmsr\nmov edx, -1\nmov eax, -1\nwrmsr\nrdmsr\ncpuid\nmov ecx, 0x80b\nxor eax, eax\nxor edx, edx\nwrmsr',
  },
  { name: 'VMREAD and VMWRITE of every encoding', alone: EVERY_ENCODING },
  alone('VMXON without CR4.VMXE', 'push 0\nlea rax, [$ + 20]\nset_gate 6, .ud\nvmx_region vmxon_region\nvmxon [rsp]\n.ud: nop'),
  alone('VMXON twice', `${IN_VMX}lea rax, [spare]\npush rax\nvmxon [rsp]`),
  alone(
    'VMXON of another revision',
    'read_msr MSR_IA32_VMX_CR4_FIXED0\nmov rcx, cr4\nor rax, rcx\nmov cr4, rax\nmov dword [spare], 0x77\nlea rax, [spare]\npush rax\nvmxon [rsp]',
  ),
  alone(
    'VMXON of an unaligned region',
    'read_msr MSR_IA32_VMX_CR4_FIXED0\nmov rcx, cr4\nor rax, rcx\nmov cr4, rax\nlea rax, [spare + 8]\npush rax\nvmxon [rsp]',
  ),
  alone(
    'VMPTRLD of another revision',
    `${IN_VMX}call load_vmcs\nlea rax, [spare]\npush rax\nvmptrld [rsp]\nvmcs_read VM_INSTRUCTION_ERROR`,
  ),
  alone(
    'VMPTRLD of the VMXON region',
    `${IN_VMX}call load_vmcs\nlea rax, [vmxon_region]\npush rax\nvmptrld [rsp]\nvmcs_read VM_INSTRUCTION_ERROR`,
  ),
  alone('VMPTRLD of an unaligned address', `${IN_VMX}call load_vmcs\npush 8\nvmptrld [rsp]\nvmcs_read VM_INSTRUCTION_ERROR`),
  alone('VMPTRLD beyond the width', `${IN_VMX}call load_vmcs\nmov rax, 1 << 50\npush rax\nvmptrld [rsp]\nvmcs_read VM_INSTRUCTION_ERROR`),
  alone(
    'VMCLEAR of the VMXON region',
    `${IN_VMX}call load_vmcs\nlea rax, [vmxon_region]\npush rax\nvmclear [rsp]\nvmcs_read VM_INSTRUCTION_ERROR`,
  ),
  alone('VMCLEAR of an unaligned address', `${IN_VMX}call load_vmcs\npush 8\nvmclear [rsp]\nvmcs_read VM_INSTRUCTION_ERROR`),
  alone(
    'VMPTRST with and without a VMCS',
    `${IN_VMX}vmptrst [spare]\ncall load_vmcs\nvmptrst [spare + 8]\nmov rax, [spare]\nmov rcx, [spare + 8]\nvmclear [spare + 8]\nvmptrst [spare]\nmov rax, [spare]`,
  ),
  alone(
    'VMREAD, VMWRITE and VMLAUNCH without a VMCS',
    `${IN_VMX}mov eax, GUEST_RIP\nvmread rcx, rax\nvmwrite rax, rcx\nvmlaunch\nvmresume`,
  ),
  alone('VMCALL in the hypervisor itself', `${IN_VMX}call load_vmcs\nnop`),
  alone('VMXOFF', `${IN_VMX}vmxoff`),
  ...INVALIDATIONS,
]
