/** Far transfers, descriptor queries, fast system calls and CPUID features on the bare CPU. */

import { expect, test } from 'vitest'
import { flatImage } from '../../src/assembler/image.ts'
import { createMachine, type Machine, resolveConfig } from '../../src/hw/machine.ts'
import { run } from '../../src/hw/run.ts'
import { type CpuFeature, DEFAULT_CPU_FEATURES } from '../../src/spec/cpu-models.ts'
import type { TraceEvent } from '../../src/spec/trace-events.ts'
import { bootBare } from '../../src/vmm/bare.ts'
import { longModeBoot } from '../../src/vmm/boot.ts'
import { assembled } from '../hw/bare.ts'

const ORIGIN = 0x10_0000

interface Outcome {
  readonly machine: Machine
  readonly gpr: BigUint64Array
  readonly rip: bigint
  readonly vectors: readonly number[]
}

/** Runs so many instructions of a program on a CPU without some features of the default one. */
function runSome(source: string, instructions: number, missing: readonly CpuFeature[] = []): Outcome {
  const features = DEFAULT_CPU_FEATURES.filter(feature => !missing.includes(feature))
  const machine = createMachine(resolveConfig({ memoryMiB: 8, features }))
  const { bytes } = assembled(`bits 64\ndefault rel\norg ${ORIGIN}\n${source}\n`)
  bootBare(machine, longModeBoot(flatImage(bytes, ORIGIN, 64)))
  const vectors: number[] = []
  machine.observe = (event: TraceEvent) => {
    if (event.kind === 'exception') vectors.push(event.vector)
  }
  run(machine, instructions)
  const registers = machine.registers[0]!
  return { machine, gpr: registers.gpr, rip: registers.rip[0]!, vectors }
}

/** An IDT whose gates all lead to a HLT, so that the first exception can be seen. */
const WITH_IDT = `
  mov rdi, 0x20000
  mov ecx, 32
  lea rax, [stop]
.gate:
  mov [rdi], ax
  mov word [rdi+2], 8
  mov word [rdi+4], 0x8e00
  shr rax, 16
  mov [rdi+6], eax
  lea rax, [stop]
  add rdi, 16
  loop .gate
  lidt [idtr]
`
const TAIL = `
stop:
  hlt
idtr: dw 511
  dq 0x20000
`
const SETUP = 3 + 8 * 32 + 1

const raises = (instruction: string, missing: readonly CpuFeature[] = []): number | undefined =>
  runSome(`${WITH_IDT}${instruction}\n${TAIL}`, SETUP + 12, missing).vectors[0]

test('a far call pushes CS and RIP, and a far return takes them', () => {
  const source =
    'mov rbx, rsp\n  call far [pointer]\n  mov rdx, rsp\n  hlt\npointer: dq there\n  dw 8\nthere: mov rax, [rsp]\n  mov rcx, [rsp+8]\n  retfq'
  const { gpr } = runSome(source, 7)
  expect(gpr[1]).toBe(8n)
  expect(gpr[0]).toBe(BigInt(ORIGIN + 3 + 7))
  expect(gpr[2]).toBe(gpr[3])
})

test('a far jump to a data segment and one to the null selector raise #GP', () => {
  expect(raises('mov dword [rsp-16], 0x100000\n  mov word [rsp-12], 0x10\n  jmp far dword [rsp-16]')).toBe(13)
  expect(raises('mov qword [rsp-16], 0\n  jmp far dword [rsp-16]')).toBe(13)
})

test('LAR, LSL, VERR and VERW tell about a descriptor in ZF', () => {
  const { gpr, machine } = runSome(
    'mov ecx, 8\n  lar eax, ecx\n  lsl edx, ecx\n  verr cx\n  setz bl\n  verw cx\n  setz bh\n  mov cx, 0x30\n  lar esi, ecx\n  hlt',
    9,
  )
  expect(gpr[0]! & 0xff00n).toBe(0x9b00n)
  expect(gpr[2]).toBe(0xffff_ffffn)
  expect(gpr[3]! & 0xffffn).toBe(1n)
  expect(machine.registers[0]!.rflags[0]! & 64n).toBe(0n)
})

test('POP GS loads the segment, PUSH GS gives its selector back', () => {
  const { gpr, machine } = runSome('mov rbx, rsp\n  push 0x10\n  pop gs\n  mov rdx, rsp\n  push gs\n  pop rax\n  hlt', 6)
  expect(machine.cpus[0]!.segments[5]!.selector).toBe(0x10)
  expect(gpr[0]).toBe(0x10n)
  expect(gpr[2]).toBe(gpr[3])
})

test('LSS loads the stack segment and pointer from memory', () => {
  const { gpr, machine } = runSome('lss rsp, [pointer]\n  hlt\npointer: dq 0x7000\n  dw 0x10', 1)
  expect(gpr[4]).toBe(0x7000n)
  expect(machine.cpus[0]!.segments[2]!.selector).toBe(0x10)
})

const ENABLE_SYSCALL = `
  mov ecx, 0xc0000080
  rdmsr
  or eax, 1
  wrmsr
  mov ecx, 0xc0000081
  xor eax, eax
  mov edx, 0x00100008
  wrmsr
  mov ecx, 0xc0000082
  lea rax, [entry]
  xor edx, edx
  wrmsr
  mov ecx, 0xc0000084
  mov eax, 0x400
  wrmsr
  std
`

test('SYSCALL keeps RIP and RFLAGS in RCX and R11, masks the flags and loads flat segments', () => {
  const { gpr, rip, machine } = runSome(`${ENABLE_SYSCALL}  syscall\nback: hlt\nentry: hlt`, 17)
  const { segments } = machine.cpus[0]!
  expect(gpr[1]! + 1n).toBe(rip)
  expect(gpr[11]! & 0x400n).toBe(0x400n)
  expect(machine.registers[0]!.rflags[0]! & 0x400n).toBe(0n)
  expect([segments[1]!.selector, segments[2]!.selector]).toEqual([8, 16])
})

test('SYSRET returns to 64-bit code of ring 3 with 64-bit operand size', () => {
  const { machine, rip, gpr } = runSome(`${ENABLE_SYSCALL}  mov ecx, 0x123456\n  mov r11d, 0x202\n  o64 sysret\nentry: hlt`, 19)
  const { segments } = machine.cpus[0]!
  expect(rip).toBe(gpr[1])
  expect([segments[1]!.selector, segments[2]!.selector]).toEqual([0x23, 0x1b])
  expect((segments[2]!.accessRights >> 5) & 3).toBe(3)
})

test('SYSRET without REX.W returns to compatibility mode, with the selector of STAR itself', () => {
  const { machine, rip } = runSome(`${ENABLE_SYSCALL}  mov ecx, 0x123456\n  mov r11d, 0x202\n  sysret\nentry: hlt`, 19)
  const { segments } = machine.cpus[0]!
  expect([rip, segments[1]!.selector, segments[2]!.selector]).toEqual([0x12_3456n, 0x13, 0x1b])
  expect((segments[1]!.accessRights >> 13) & 1).toBe(0)
})

test.each([
  ['andn eax, ecx, edx', 'bmi1'],
  ['pdep eax, ecx, edx', 'bmi2'],
  ['adcx eax, ecx', 'adx'],
  ['popcnt eax, ecx', 'popcnt'],
  ['rdrand eax', 'rdrand'],
  ['xgetbv', 'xsave'],
  ['pxor xmm0, xmm0', 'sse2'],
  ['vzeroupper', 'avx'],
  ['fninit', 'fpu'],
  ['rdfsbase rax', 'fsgsbase'],
  ['syscall', 'syscall'],
] as const)('%s raises #UD on a CPU without %s', (instruction, feature) => {
  expect(raises(instruction, [feature])).toBe(6)
})

test.each(['rdpkru', 'wrpkru'])('%s raises #UD: no model has its feature', instruction => {
  expect(raises(instruction)).toBe(6)
})

test('with a feature its instructions run', () => {
  expect(raises('popcnt eax, ecx')).toBeUndefined()
  expect(raises('andn eax, ecx, edx')).toBeUndefined()
})

test('SSE needs CR4.OSFXSR beside its feature, and CR0.TS raises #NM', () => {
  expect(raises('pxor xmm0, xmm0')).toBe(6)
  const enable = 'mov rax, cr4\n  or eax, 0x200\n  mov cr4, rax\n'
  expect(raises(`${enable}  pxor xmm0, xmm0`)).toBeUndefined()
})

test('TZCNT is BSF for a CPU without BMI1: a source of 0 leaves the destination', () => {
  const program = 'mov eax, 7\n  xor ecx, ecx\n  tzcnt eax, ecx\n  hlt'
  expect(runSome(program, 3, ['bmi1']).gpr[0]).toBe(7n)
  expect(runSome(program, 3).gpr[0]).toBe(32n)
})

test('RDPMC raises #GP: there are no counters; LMSW cannot clear PE; SMSW reads CR0', () => {
  expect(raises('xor ecx, ecx\n  rdpmc')).toBe(13)
  const { gpr, machine } = runSome('mov ax, 0\n  lmsw ax\n  smsw rbx\n  hlt', 3)
  expect(machine.registers[0]!.cr[0]! & 1n).toBe(1n)
  expect(gpr[3]).toBe(machine.registers[0]!.cr[0])
})

test('INT1 raises #DB', () => {
  const { machine, rip } = runSome(`${WITH_IDT}int1\n${TAIL}`, SETUP + 1)
  expect(machine.memory.read8(Number(rip))).toBe(0xf4)
})
