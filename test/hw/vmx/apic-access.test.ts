/**
 * Accesses to the APIC-access page that are not of one register (Intel SDM, "Virtualizing Reads from the APIC-Access Page", "Determining
 * Whether a Write Access is Virtualized"): wider than 32 bits, or across pages. They leave the guest with their own offset, undone.
 */

import { describe, expect, test } from 'vitest'
import type { ControlName } from '../../../src/spec/vmx-controls.ts'
import { createRig, type Rig, VIRTUAL_APIC } from './rig.ts'

const ACCESS_PAGE = 0x21_6000
const VTPR = VIRTUAL_APIC + 0x80
const OLD = 0x40
const OSFXSR = 0x200n
const READ = 0n
const WRITE = 0x1000n

const start = (body: string, controls: readonly ControlName[] = []): Rig => {
  const rig = createRig(`mov ebx, ${ACCESS_PAGE}\nmov eax, 0x7070\n${body}`, [
    'CPU_BASED_ACTIVATE_SECONDARY_CONTROLS',
    'SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES',
    'CPU_BASED_TPR_SHADOW',
    ...controls,
  ])
  rig.write('APIC_ACCESS_ADDR', ACCESS_PAGE)
  rig.write('GUEST_CR4', rig.read('GUEST_CR4') | OSFXSR)
  rig.machine.memory.write32(VTPR, OLD)
  return rig
}

describe.each([
  ['with the TPR shadow', []],
  ['with APIC-register virtualization', ['SECONDARY_EXEC_APIC_REGISTER_VIRT']],
] as const)('%s', (_, controls) => {
  test.each([
    ['mov rax, [rbx + 0x80]', READ | 0x80n],
    ['movups xmm0, [rbx + 0x80]', READ | 0x80n],
    ['mov [rbx + 0x80], rax', WRITE | 0x80n],
    ['movq [rbx + 0x80], xmm0', WRITE | 0x80n],
    ['movups [rbx + 0x80], xmm0', WRITE | 0x80n],
    ['lea rsp, [rbx + 0x88]\npush rax', WRITE | 0x80n],
    ['mov [rbx + 0x7c], rax', WRITE | 0x7cn],
  ] as const)('%s leaves the guest as one access, which had no effect', (access, qualification) => {
    const rig = start(access, controls)
    expect([rig.exit(), rig.read('EXIT_QUALIFICATION')]).toEqual(['EXIT_REASON_APIC_ACCESS', qualification])
    expect(rig.machine.memory.read32(VTPR)).toBe(OLD)
    rig.write('GUEST_RIP', rig.read('GUEST_RIP') + rig.read('VM_EXIT_INSTRUCTION_LEN'))
    expect([rig.exit(true), rig.machine.memory.read32(VTPR)]).toEqual(['EXIT_REASON_VMCALL', OLD])
  })
})

describe('across pages', () => {
  test.each([
    ['mov eax, [rbx + 0xffe]', READ | 0xffen],
    ['mov eax, [rbx - 2]', READ],
    ['mov [rbx + 0xffe], eax', WRITE | 0xffen],
    ['mov [rbx - 2], eax', WRITE],
    ['mov [rbx - 4], rax', WRITE],
    ['movups [rbx - 8], xmm0', WRITE],
  ] as const)('%s leaves the guest with its offset in the page, and the other page as it was', (access, qualification) => {
    const rig = start(access)
    const { memory } = rig.machine
    const around = [ACCESS_PAGE - 16, ACCESS_PAGE - 8, ACCESS_PAGE + 0x1000]
    for (const address of around) memory.write64(address, 0x1122_3344_5566_7788n)
    expect([rig.exit(), rig.read('EXIT_QUALIFICATION')]).toEqual(['EXIT_REASON_APIC_ACCESS', qualification])
    expect(around.map(address => memory.read64(address))).toEqual(around.map(() => 0x1122_3344_5566_7788n))
  })
})
