/** What a CPU remembers of a VMCS that passed its checks is not observable: every entry ends as with all checks made anew. */

import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { VmExit } from '../../../src/hw/cpu/faults.ts'
import { createMachine, resolveConfig } from '../../../src/hw/machine.ts'
import { vmExit } from '../../../src/hw/vmx/exit.ts'
import { VMCS_FIELDS, type VmcsFieldName } from '../../../src/spec/vmcs-fields.ts'
import { isFull } from '../../slice.ts'
import { createRig, MSR_BITMAP, type Rig, rigOf, TIMER_CONTROLS, VIRTUAL_APIC, VMCS } from './rig.ts'

const FIELDS = Object.keys(VMCS_FIELDS) as VmcsFieldName[]

const BODY = '.again: inc rdi\nvmcall\njmp .again'
const remembering = createRig(BODY, TIMER_CONTROLS)
const forgetting = rigOf(createMachine(resolveConfig({ memoryMiB: 8 }), false), BODY, TIMER_CONTROLS)
const good = FIELDS.map(name => [name, remembering.read(name)] as const)

/** What an entry came to: the outcome, the rule that a refusal names, what the guest did, and the exit. */
function enter(rig: Rig): unknown {
  const { machine, cpu, events } = rig
  machine.memory.write32(VMCS + 8, 1) // launched, whatever came before
  events.length = 0
  const outcome = cpu.vmresume()
  if (outcome.kind === 'entered' && machine.cpus[0]!.vmx.mode === 'non-root') rig.run(machine.cpus[0]!.instructions + 20)
  if (machine.cpus[0]!.vmx.mode === 'non-root') vmExit(machine.engines[0]!, new VmExit('EXIT_REASON_PREEMPTION_TIMER'))
  machine.ended = null
  const seen = events.map(event => (event.kind === 'vmx_entry_failed' ? event.rule : event.kind))
  return [outcome, seen, rig.read('VM_EXIT_REASON'), rig.read('EXIT_QUALIFICATION'), cpu.gpr(7), machine.tick]
}

type Write = [field: VmcsFieldName, flip: bigint | null, value: bigint]
const write = fc.tuple<Write>(
  fc.constantFrom(...FIELDS),
  fc.option(
    fc.nat({ max: 63 }).map(position => 1n << BigInt(position)),
    { nil: null },
  ),
  fc.oneof(
    fc.constantFrom(0n, 1n, BigInt(VIRTUAL_APIC), BigInt(MSR_BITMAP), 0xffff_ffff_ffff_ffffn),
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  ),
)

/** Each list is what software writes before one entry: often nothing, sometimes back to what was good. */
const entries = fc.array(fc.record({ writes: fc.array(write, { maxLength: 2 }), mend: fc.boolean() }), { minLength: 1, maxLength: 12 })

property.prop([entries], { seed: 20260206, numRuns: isFull ? 5000 : 60 })(
  'after any VMWRITEs an entry ends as if all were checked anew (seed 20260206)',
  list => {
    for (const { writes, mend } of list) {
      const ends = [remembering, forgetting].map(rig => {
        if (mend) for (const [name, value] of good) rig.write(name, value)
        for (const [name, flip, value] of writes) rig.write(name, flip === null ? value : rig.read(name) ^ flip)
        return enter(rig)
      })
      expect(ends[0]).toEqual(ends[1])
    }
  },
)

test('a VMCS that an ordinary store changed is checked again', () => {
  const rig = createRig(BODY)
  expect(rig.exit()).toBe('EXIT_REASON_VMCALL')
  expect(rig.exit(true)).toBe('EXIT_REASON_VMCALL')
  const bytes = rig.machine.memory.page(VMCS / 4096).slice()
  rig.write('HOST_CR0', 0)
  const broken = rig.machine.memory.page(VMCS / 4096).slice()
  rig.machine.memory.writeBytes(VMCS, bytes)
  expect(rig.exit(true)).toBe('EXIT_REASON_VMCALL')
  rig.machine.memory.writeBytes(VMCS, broken)
  expect(rig.cpu.vmresume()).toEqual({ kind: 'failed', error: 8 })
})
