/** MONITOR and MWAIT on the bare CPU, and in VMX non-root operation (SDM, their pages; "MWAIT" among the changed instructions). */

import { describe, expect, test } from 'vitest'
import { run } from '../../../src/hw/run.ts'
import { restoreSnapshot, takeSnapshot } from '../../../src/hw/snapshot.ts'
import { DEFAULT_CPU_FEATURES } from '../../../src/spec/cpu-models.ts'
import { runBare } from '../bare.ts'
import { createRig } from '../vmx/rig.ts'

const RDI = 7
const ARM = 'lea rax, [rel line]\nxor ecx, ecx\nxor edx, edx\nmonitor\n'
const WAIT = 'xor eax, eax\nxor ecx, ecx\nmwait\n'
const LINE = 'jmp over\nalign 64\nline: times 64 db 0\nother: times 64 db 0\nover:\n'
const vectorsOf = ({ events }: ReturnType<typeof runBare>) => events.flatMap(event => (event.kind === 'shutdown' ? [event.vector] : []))

/** The first exception of a program that has no IDT. */
const fault = (body: string, options = {}): number | undefined => vectorsOf(runBare(`${body}\nmov edi, 1`, options))[0]

describe('on the bare CPU', () => {
  test('CPUID tells of both, and of lines of 64 bytes', () => {
    const { gpr } = runBare('mov eax, 5\nxor ecx, ecx\ncpuid\nmov rdi, rax\nmov rsi, rcx\nmov eax, 1\ncpuid\nshr ecx, 3\nand ecx, 1')
    expect([gpr(RDI), gpr(6) & 3n, gpr(1)]).toEqual([64n, 3n, 1n])
  })

  test('a store of another agent to the line ends the wait, one beside it does not', () => {
    const { machine, result } = runBare(`${LINE}${ARM}cli\n${WAIT}mov edi, 1`)
    const [cpu] = machine.cpus
    expect([result, cpu!.activity]).toEqual(['idle', 'mwait'])
    const { line } = cpu!.monitor
    for (const beside of [line - 1, line + 64]) machine.memory.write8(beside, 1)
    machine.memory.write64(line - 8, 1n)
    expect([run(machine), cpu!.activity]).toEqual(['idle', 'mwait'])
    const snapshot = takeSnapshot(machine, false)
    for (const store of [
      () => machine.memory.write8(line, 0),
      () => machine.memory.write32(line + 60, 0),
      () => machine.memory.writeBytes(line - 64, new Uint8Array(65)),
    ]) {
      restoreSnapshot(machine, snapshot)
      expect(machine.cpus[0]!.activity).toBe('mwait')
      store()
      expect([run(machine), machine.registers[0]!.gpr[RDI]]).toEqual(['ended', 1n])
    }
  })

  test.each([
    ['a store to the line before it', `${ARM}mov byte [rel line + 63], 0\n`],
    ['no MONITOR', ''],
  ])('MWAIT behind %s does not wait', (_, before) => {
    const { gpr, result } = runBare(`${LINE}${before}cli
${WAIT}mov edi, 1`)
    expect([result, gpr(RDI)]).toEqual(['ended', 1n])
  })

  test('a store beside the line leaves the monitor armed', () => {
    expect(runBare(`${LINE}${ARM}mov byte [rel other], 1\ncli\n${WAIT}`).machine.cpus[0]!.activity).toBe('mwait')
  })

  const TIMER = `set_gate 0x40, on_timer
load_idt
x2apic_enable
jmp begin
on_timer: add esi, 1
write_msr MSR_IA32_X2APIC_EOI, 0
iretq
begin: xor esi, esi
write_msr MSR_IA32_X2APIC_LVT_TIMER, 0x40
${LINE}write_msr MSR_IA32_X2APIC_INIT_COUNT, 1000
${ARM}`

  test('an interrupt ends it, and is taken; another MWAIT needs another MONITOR', () => {
    const { gpr, result } = runBare(`${TIMER}sti\n${WAIT}cli\n${WAIT}mov edi, esi`)
    expect([result, gpr(RDI)]).toEqual(['ended', 1n])
  })

  test('with interrupts off it ends by one only where ECX[0] says so, and that stays pending', () => {
    expect(runBare(`${TIMER}cli\n${WAIT}mov edi, 7`).machine.cpus[0]!.activity).toBe('mwait')
    const { gpr, result } = runBare(`${TIMER}cli\nxor eax, eax\nmov ecx, 1\nmwait\nmov edi, esi\nsti\nnop\nnop`)
    expect([result, gpr(RDI), gpr(6)]).toEqual(['ended', 0n, 1n])
  })

  test('they refuse extensions with #GP', () => {
    expect(fault('mov ecx, 1\nmonitor')).toBe(13)
    expect(fault('mov rcx, 1 << 40\nxor eax, eax\nmonitor')).toBe(13)
    expect(fault('mov ecx, 2\nmwait')).toBe(13)
    expect(fault('xor ecx, ecx\nmov rax, 1 << 63\nmonitor')).toBe(13)
    expect(fault('xor ecx, ecx\nmov rax, 1 << 40\nmonitor')).toBe(14)
  })

  test('without their CPUID bit, which IA32_MISC_ENABLE can clear, they raise #UD', () => {
    expect(fault('xor ecx, ecx\nmwait', { features: DEFAULT_CPU_FEATURES.filter(feature => feature !== 'monitor') })).toBe(6)
    const disable = 'mov ecx, MSR_IA32_MISC_ENABLE\nrdmsr\nbtr eax, 18\nwrmsr\n'
    expect(fault(`${disable}xor ecx, ecx\nmwait`)).toBe(6)
    expect(runBare(`${disable}mov eax, 1\ncpuid\nshr ecx, 3\nand ecx, 1\nmov edi, ecx`).gpr(RDI)).toBe(0n)
  })
})

describe('in VMX non-root operation', () => {
  test('MWAIT in a guest waits, and is told of as the active state when an exit ends it', () => {
    const rig = createRig('xor ecx, ecx\nmov eax, 0x7000\nmonitor\nmwait', ['PIN_BASED_VMX_PREEMPTION_TIMER'])
    rig.write('VMX_PREEMPTION_TIMER_VALUE', 1000)
    expect(rig.exit()).toBe('EXIT_REASON_PREEMPTION_TIMER') // and not the VMCALL behind MWAIT
    expect(rig.read('GUEST_ACTIVITY_STATE')).toBe(0n)
    expect(rig.machine.cpus[0]!.monitor).toMatchObject({ armed: false, line: -1 })
  })

  test.each([
    ['armed', 'monitor\n', 1n],
    ['not armed', '', 0n],
  ])('an exit of MWAIT says that the monitor is %s', (_, before, armed) => {
    const rig = createRig(`xor ecx, ecx\nmov eax, 0x7000\n${before}mwait`, ['CPU_BASED_MWAIT_EXITING'])
    expect([rig.exit(), rig.read('EXIT_QUALIFICATION'), rig.read('VM_EXIT_INSTRUCTION_LEN')]).toEqual([
      'EXIT_REASON_MWAIT_INSTRUCTION',
      armed,
      3n,
    ])
  })
})
