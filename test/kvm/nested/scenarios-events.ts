/** Exceptions, injection of every type, windows, the monitor trap flag, NMIs, interrupts and timers. */

import type { ControlName } from '../../../src/spec/vmx-controls.ts'
import type { Scenario } from './scenario.ts'

const info = (type: number, vector: number, code = false): number => (0x8000_0000 | (type << 8) | vector | (code ? 1 << 11 : 0)) >>> 0

/** Injects one event at the first entry, with the length of a software event. */
const inject = (information: number, length = 0, code = 0): string =>
  `mov ecx, ${information}\nvmcs_write VM_ENTRY_INTR_INFO_FIELD, rcx\nvmcs_write VM_ENTRY_INSTRUCTION_LEN, ${length}\nvmcs_write VM_ENTRY_EXCEPTION_ERROR_CODE, ${code}`

const INJECTIONS: readonly (readonly [name: string, set: string])[] = [
  ['an external interrupt', `vmcs_write GUEST_RFLAGS, 0x202\n${inject(info(0, 0x40))}`],
  ['an NMI', inject(info(2, 2))],
  ['#UD', inject(info(3, 6))],
  ['#GP with its code', inject(info(3, 13, true), 0, 0x1234)],
  ['#PF with its code', inject(info(3, 14, true), 0, 7)],
  ['#DB', inject(info(3, 1))],
  ['INT n', inject(info(4, 0x40), 2)],
  ['INT1', inject(info(5, 1), 1)],
  ['INT3', inject(info(6, 3), 1)],
  ['INTO', inject(info(6, 4), 1)],
  ['a software exception without length', inject(info(6, 3), 0)],
]

/** An IDT that L2 cannot use: the delivery itself faults, and the fault leaves the guest. */
const BROKEN_IDT = 'vmcs_write GUEST_IDTR_LIMIT, 0\nvmcs_write EXCEPTION_BITMAP, -1'
/** Delivery pushes onto a page that is not mapped: the frame is at an address beyond the first GByte. */
const BROKEN_STACK = 'mov rcx, 0x7000000000\nvmcs_write GUEST_RSP, rcx\nvmcs_write EXCEPTION_BITMAP, -1'

/** What NMIs the guest blocks. */
const NMI_BLOCKINGS: readonly (readonly [name: string, controls: readonly ControlName[]])[] = [
  ['NMIs blocked', []],
  ['virtual NMIs blocked', ['PIN_BASED_NMI_EXITING', 'PIN_BASED_VIRTUAL_NMIS']],
]
const BLOCKED = 'vmcs_write GUEST_INTERRUPTIBILITY_INFO, 8'
const RETURN_TO_NO_CODE = 'push 0x10\npush 0\npushfq\npush 0x7ff8\npush 0\niretq'

const X2APIC = 'x2apic_enable\n'
const SELF = (vector: number): string => `write_msr 0x83f, ${vector}\n`

export const EVENT_SCENARIOS: readonly Scenario[] = [
  ...INJECTIONS.map(([name, setUp]): Scenario => ({ name: `injecting ${name}`, setUp, guest: 'nop' })),
  ...INJECTIONS.map(
    ([name, setUp]): Scenario => ({
      name: `injecting ${name} where its delivery faults`,
      setUp: `${setUp}\n${BROKEN_IDT}`,
      guest: 'nop',
      exits: 1,
    }),
  ),
  ...INJECTIONS.map(
    ([name, setUp]): Scenario => ({ name: `injecting ${name} onto no stack`, setUp: `${setUp}\n${BROKEN_STACK}`, guest: 'nop', exits: 1 }),
  ),
  ...INJECTIONS.map(
    ([name, setUp]): Scenario => ({
      name: `injecting ${name} with the monitor trap flag`,
      controls: ['CPU_BASED_MONITOR_TRAP_FLAG'],
      setUp,
      guest: 'nop\nnop',
      exits: 12,
    }),
  ),
  { name: 'a triple fault', setUp: 'vmcs_write GUEST_IDTR_LIMIT, 0', guest: 'ud2' },
  {
    name: 'a double fault that leaves',
    setUp: 'vmcs_write GUEST_IDTR_LIMIT, 0\nvmcs_write EXCEPTION_BITMAP, 1 << 8',
    guest: 'ud2',
    exits: 1,
  },
  {
    name: 'exceptions that leave',
    setUp: 'vmcs_write EXCEPTION_BITMAP, -1',
    atExit: 'cmp dword [exits], 3\njb .on\nvmcs_write EXCEPTION_BITMAP, 0\n.on:',
    guest: 'mov rax, [0x7000000000]\nnop',
    exits: 5,
  },
  {
    name: 'INT3, INTO and INT1 that leave',
    setUp: 'vmcs_write EXCEPTION_BITMAP, 0x1a',
    guest: 'int3\nnop',
    atExit: 'vmcs_read GUEST_RIP\nlea rcx, [rax + 1]\nvmcs_write GUEST_RIP, rcx',
    exits: 1,
  },
  { name: 'INT1 that leaves', setUp: 'vmcs_write EXCEPTION_BITMAP, 0x1a', guest: 'int1\nnop', exits: 1 },
  {
    name: '#PF by its filter',
    setUp: 'vmcs_write EXCEPTION_BITMAP, 1 << 14\nvmcs_write PAGE_FAULT_ERROR_CODE_MASK, 3\nvmcs_write PAGE_FAULT_ERROR_CODE_MATCH, 2',
    guest: 'mov rcx, 0x7000000000\nmov [rcx], eax',
    exits: 1,
  },
  {
    name: 'single steps that leave',
    setUp: 'vmcs_write EXCEPTION_BITMAP, 2\nvmcs_write GUEST_RFLAGS, 0x102',
    guest: 'nop\nnop\nmov ax, ss\nmov ss, ax\nnop\nnop',
    exits: 2,
  },
  { name: 'single steps delivered', setUp: 'vmcs_write GUEST_RFLAGS, 0x102', guest: 'nop\nmov ax, ss\nmov ss, ax\nnop\ncpuid\nnop' },
  { name: 'pending debug exceptions are delivered', setUp: 'vmcs_write GUEST_PENDING_DBG_EXCEPTIONS, 0x4000', guest: 'nop\nnop' },
  {
    name: 'pending debug exceptions that leave',
    setUp: 'vmcs_write GUEST_PENDING_DBG_EXCEPTIONS, 0x4000\nvmcs_write EXCEPTION_BITMAP, 2',
    guest: 'nop\nnop',
    exits: 1,
  },
  { name: 'blocking by MOV SS and STI at an exit', guest: 'mov ax, ss\nmov ss, ax\ncpuid\nsti\ncpuid\ncli\ncpuid' },
  { name: 'the interrupt window', controls: ['CPU_BASED_INTR_WINDOW_EXITING'], guest: 'nop\nsti\nnop\nnop', exits: 3 },
  {
    name: 'the interrupt window, open',
    controls: ['CPU_BASED_INTR_WINDOW_EXITING'],
    setUp: 'vmcs_write GUEST_RFLAGS, 0x202',
    guest: 'nop',
    exits: 2,
  },
  {
    name: 'the NMI window',
    controls: ['PIN_BASED_NMI_EXITING', 'PIN_BASED_VIRTUAL_NMIS', 'CPU_BASED_NMI_WINDOW_EXITING'],
    guest: 'nop',
    exits: 2,
  },
  {
    name: 'the NMI window behind an injected NMI',
    controls: ['PIN_BASED_NMI_EXITING', 'PIN_BASED_VIRTUAL_NMIS', 'CPU_BASED_NMI_WINDOW_EXITING'],
    setUp: inject(info(2, 2)),
    guest: 'nop\nnop',
    exits: 2,
  },
  {
    name: 'virtual NMIs stay blocked',
    controls: ['PIN_BASED_NMI_EXITING', 'PIN_BASED_VIRTUAL_NMIS'],
    setUp: 'vmcs_write GUEST_INTERRUPTIBILITY_INFO, 8',
    guest: 'cpuid\niretq_is_not_here: nop',
  },
  ...NMI_BLOCKINGS.flatMap(([name, controls]): Scenario[] => [
    {
      name: `an IRET that faults, ${name}`,
      controls,
      setUp: `vmcs_write EXCEPTION_BITMAP, -1\n${BLOCKED}`,
      guest: RETURN_TO_NO_CODE,
      exits: 1,
    },
    {
      // Under KVM the first use of the page is an EPT violation of its own, and what the IRET reports comes after that.
      name: `an IRET that faults on a stack that nothing used, ${name}`,
      controls: ['SECONDARY_EXEC_ENABLE_EPT', ...controls],
      setUp: `call build_ept\nvmcs_write EXCEPTION_BITMAP, -1\n${BLOCKED}`,
      guest: 'mov esp, 0x300000\niretq',
      exits: 1,
    },
    {
      name: `an IRET whose stack the hypervisor does not map, ${name}`,
      controls: ['SECONDARY_EXEC_ENABLE_EPT', ...controls],
      setUp: `call build_ept\nmov qword [ept_pt + 0x100 * 8], 0\n${BLOCKED}`,
      guest: 'mov esp, 0x300000\niretq',
      exits: 1,
    },
  ]),
  {
    name: 'the monitor trap flag',
    controls: ['CPU_BASED_MONITOR_TRAP_FLAG'],
    guest: 'nop\ninc rdi\nmov ax, ss\nmov ss, ax\ncpuid\nint3\nnop',
    exits: 14,
  },
  { name: 'a pending monitor trap', setUp: inject(info(7, 0)), guest: 'nop\nnop' },
  {
    name: 'an interrupt for the hypervisor, acknowledged',
    controls: ['PIN_BASED_EXT_INTR_MASK', 'VM_EXIT_ACK_INTR_ON_EXIT'],
    setUp: `${X2APIC}${SELF(0x55)}`,
    guest: 'nop',
  },
  {
    name: 'an interrupt for the hypervisor, left in the APIC',
    controls: ['PIN_BASED_EXT_INTR_MASK'],
    setUp: `${X2APIC}${SELF(0x55)}vmcs_read VM_EXIT_CONTROLS\nmov rcx, rax\nand ecx, ~VM_EXIT_ACK_INTR_ON_EXIT\nvmcs_write VM_EXIT_CONTROLS, rcx`,
    atExit: 'sti\nnop\ncli',
    guest: 'nop',
  },
  { name: 'an interrupt for the guest', setUp: `${X2APIC}${SELF(0x55)}`, guest: 'nop\nsti\nnop\nnop\ncli' },
  {
    name: 'two interrupts in order of priority',
    controls: ['PIN_BASED_EXT_INTR_MASK', 'VM_EXIT_ACK_INTR_ON_EXIT'],
    setUp: `${X2APIC}${SELF(0x40)}${SELF(0x55)}`,
    atExit: 'write_msr 0x80b, 0',
    guest: 'nop',
  },
  {
    name: 'an NMI for the hypervisor',
    controls: ['PIN_BASED_NMI_EXITING'],
    setUp: `${X2APIC}write_msr 0x830, 0x40400 | 0\n`,
    guest: 'nop\nnop',
  },
  {
    name: 'HLT until an interrupt of the hypervisor',
    controls: ['PIN_BASED_EXT_INTR_MASK', 'VM_EXIT_ACK_INTR_ON_EXIT'],
    setUp: `${X2APIC}write_msr 0x832, 0x40055\nread_tsc\nadd rax, 200000\nmov rcx, rax\nwrite_msr64 MSR_IA32_TSC_DEADLINE, rcx\n`,
    guest: 'sti\nhlt\nnop',
    exits: 1,
  },
  {
    name: 'entered in HLT',
    controls: ['PIN_BASED_EXT_INTR_MASK', 'VM_EXIT_ACK_INTR_ON_EXIT'],
    setUp: `vmcs_write GUEST_ACTIVITY_STATE, 1\n${X2APIC}${SELF(0x55)}`,
    guest: 'nop',
    exits: 1,
  },
  { name: 'woken from HLT by injection', setUp: `vmcs_write GUEST_ACTIVITY_STATE, 1\n${inject(info(2, 2))}`, guest: 'nop' },
  {
    name: 'the preemption timer at 0',
    controls: ['PIN_BASED_VMX_PREEMPTION_TIMER'],
    setUp: 'vmcs_write VMX_PREEMPTION_TIMER_VALUE, 0',
    guest: 'nop',
    exits: 1,
  },
  {
    name: 'the preemption timer in HLT',
    controls: ['PIN_BASED_VMX_PREEMPTION_TIMER'],
    setUp: 'vmcs_write VMX_PREEMPTION_TIMER_VALUE, 5000',
    guest: 'hlt',
    exits: 1,
  },
  {
    name: 'the preemption timer in a loop, saved',
    controls: ['PIN_BASED_VMX_PREEMPTION_TIMER', 'VM_EXIT_SAVE_VMX_PREEMPTION_TIMER'],
    setUp: 'mov ecx, 100\nvmcs_write VMX_PREEMPTION_TIMER_VALUE, rcx',
    guest: '.wait: jmp .wait',
    exits: 1,
  },
]
