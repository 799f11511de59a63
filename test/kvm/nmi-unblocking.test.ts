/** An IRET that unblocks NMIs and meets an EPT violation of KVM's own runs again as if it had not begun (Linux `handle_ept_violation`). */

import { expect, test } from 'vitest'
import { resolveRunConfig } from '../../src/session/config.ts'
import { startRun } from '../../src/session/guest-run.ts'
import { BLOCKING } from '../../src/spec/vmcs-fields.ts'
import { assembled, guestSource } from '../hw/bare.ts'
import { run } from './rig.ts'

const RDI = 7

test('an NMI waits for an IRET whose stack KVM has yet to map', () => {
  // The stack is nothing but zeros: IRET faults when it has read it, and the NMI comes before the handler of that fault.
  const body = `set_gate 2, nmi
set_gate 13, fault
load_idt
mov esp, 0x300000
iretq
fault: nop
jmp $
nmi: mov rdi, [rsp]
lea rsi, [fault]
sub rdi, rsi`
  const guest = startRun(resolveRunConfig({}), assembled(guestSource(body)))
  const { end } = run(guest, vcpu => vcpu.setVcpuEvents({ ...vcpu.getVcpuEvents(), nmiPending: true, blocking: BLOCKING.nmi }))
  expect(end).toMatchObject({ reason: 'exit-port' })
  expect(guest.machine.registers[0]!.gpr[RDI]).toBe(0n)
})
