/** Gates, privilege levels and the TSS in protected mode (Intel SDM, "Privilege Level Checking …", "Stack Switching", "Call Gates"). */

import { describe, expect, test } from 'vitest'
import { firstException, GDT, runProtected, TO_RING3 } from './legacy.ts'

const [EBX, EBP, ESI, EDI] = [3, 5, 6, 7]
const GP = 13

describe('interrupts through the IDT: "Exception- or Interrupt-Handler Procedures"', () => {
  const frame = 'handler: mov ebp, esp\nmov esi, [esp + 8]\npushf\npop edi\niret'
  test('at the same level EFLAGS, CS and EIP are pushed, and an interrupt gate clears IF', () => {
    const run = runProtected(`sti\nint 0x40\nafter: mov ebx, esp\njmp done\n${frame}\ndone:`, { gates: { 64: { to: 'handler' } } })
    expect([run.gpr(EBP), run.gpr(EBX), run.gpr(ESI), run.gpr(EDI)]).toEqual([0x7_fff4n, 0x8_0000n, 0x202n, 2n])
  })
  test('a trap gate leaves IF', () => {
    const run = runProtected(`sti\nint 0x40\njmp done\n${frame}\ndone:`, { gates: { 64: { to: 'handler', rights: 0x8f } } })
    expect(run.gpr(EDI)).toBe(0x202n)
  })
  test('a 16-bit gate has an offset of 16 bits and pushes words', () => {
    const run = runProtected('int 0x40\nafter: jmp done\nhandler: mov ebp, esp\nmovzx esi, word [esp]\nmovzx edi, word [esp + 2]\ndone:', {
      gates: { 64: { to: 'handler', rights: 0x86, selector: GDT.spare } },
      descriptors: { [GDT.spare]: 0x0040_9b10_0000_ffffn }, // base 100000H
    })
    expect([run.gpr(EBP), run.gpr(ESI), run.gpr(EDI)]).toEqual([0x7_fffan, 2n, 8n])
  })
  test('from ring 3 the stack comes from the TSS and holds SS and ESP', () => {
    const body = `${TO_RING3}\nint 0x40\nhandler: mov ebp, esp\nmov esi, [esp + 12]\nmov edi, [esp + 16]\nmov bx, ss`
    const run = runProtected(body, { gates: { 64: { to: 'handler', rights: 0xee } } })
    expect([run.gpr(EBP), run.gpr(ESI), run.gpr(EDI), run.gpr(EBX) & 0xffffn]).toEqual([0x6_ffecn, 0x6_0000n, 0x43n, 0x10n])
  })
  test('a gate of ring 0 is #GP to INT of ring 3, with the vector and the IDT bit', () => {
    expect(firstException(`${TO_RING3}\nint 0x40`, { gates: { 64: { to: 'caught13' } } })).toEqual({ vector: GP, errorCode: 0x40 * 8 + 2 })
  })
  test('a gate that is not present is #NP', () => {
    expect(firstException('int 0x40', { gates: { 64: { to: 'caught13', rights: 0x0e } } })).toEqual({ vector: 11, errorCode: 0x202 })
  })
  test('a vector beyond the limit of the IDT is #GP', () => {
    expect(firstException('int 0x40', { idtLimit: 0xff })).toEqual({ vector: GP, errorCode: 0x202 })
  })
  test('a stack of the TSS that is no stack is #TS with its selector', () => {
    const body = `mov word [0x2008], ${GDT.code32}\n${TO_RING3}\nint 0x40`
    // Its handler runs in ring 3: it needs no stack from the TSS.
    const gates = { 64: { to: 'caught13', rights: 0xee }, 10: { to: 'caught10', selector: GDT.userCode } }
    expect(firstException(body, { gates })).toEqual({ vector: 10, errorCode: GDT.code32 })
  })
  test('a contributory exception whose gate is not present is a double fault, with error code 0', () => {
    expect(firstException('mov eax, 0x1000\nmov ds, eax', { gates: { 13: { to: 'caught13', rights: 0x0e } } })).toEqual({
      vector: 8,
      errorCode: 0,
    })
  })
  test('a third is shutdown, which names the first vector', () => {
    const run = runProtected('ud2', { idtLimit: 0 })
    expect(run.machine.ended).toMatchObject({ reason: 'shutdown' })
    expect(run.events.at(-1)).toMatchObject({ kind: 'shutdown', vector: 6 })
  })
  test('the error code of a fault in delivering an exception has EXT set', () => {
    // The gate of #UD names a selector beyond the GDT: #GP for that selector, benign with #UD, so it is delivered itself.
    expect(firstException('ud2', { gates: { 6: { to: 'caught13', selector: 0x1000 } } })).toEqual({ vector: GP, errorCode: 0x1001 })
  })
})

describe('call gates: "Accessing a Code Segment Through a Call Gate"', () => {
  const callGate = (rights: number, parameters: number, selector: number = GDT.code32): bigint =>
    (BigInt(selector) << 16n) | (BigInt(parameters) << 32n) | (BigInt(rights) << 40n)
  /** The program fills in the gate's offset, which is a label. */
  const setOffset = (label: string) =>
    `mov eax, ${label}\nmov [0x1000 + ${GDT.spare}], ax\nshr eax, 16\nmov [0x1000 + ${GDT.spare} + 6], ax\n`
  const inner = 'inner: mov ebp, esp\nmov esi, [esp + 8]\nmov edi, [esp + 12]\nmov bx, cs\nretf 8'

  test('to ring 0 change the stack and copy the parameters; RET n goes back and releases them on both stacks', () => {
    const body = `${setOffset('inner')}${TO_RING3}\npush 0x1111\npush 0x2222\ncall ${GDT.spare}:0\nmov edx, esp\nmov ax, cs\njmp done\n${inner}\ndone:`
    const run = runProtected(body, { descriptors: { [GDT.spare]: callGate(0xec, 2) } })
    expect([run.gpr(EBP), run.gpr(ESI), run.gpr(EDI), run.gpr(EBX) & 0xffffn]).toEqual([0x6_ffe8n, 0x2222n, 0x1111n, 8n])
    expect([run.gpr(2), run.gpr(0) & 0xff00n]).toEqual([0x6_0000n, 0n])
  })
  test('a gate of ring 0 is #GP to ring 3', () => {
    const body = `${setOffset('inner')}${TO_RING3}\ncall ${GDT.spare}:0\n${inner}`
    expect(firstException(body, { descriptors: { [GDT.spare]: callGate(0x8c, 0) } })).toEqual({ vector: GP, errorCode: GDT.spare })
  })
  test('a gate that is not present is #NP', () => {
    expect(firstException(`call ${GDT.spare}:0`, { descriptors: { [GDT.spare]: callGate(0x0c, 0) } })).toEqual({
      vector: 11,
      errorCode: GDT.spare,
    })
  })
  test('JMP through a gate does not change the level: #GP with the code selector', () => {
    expect(
      firstException(`${setOffset('inner')}${TO_RING3}\njmp ${GDT.spare}:0\n${inner}`, { descriptors: { [GDT.spare]: callGate(0xec, 0) } }),
    ).toEqual({
      vector: GP,
      errorCode: GDT.code32,
    })
  })
})

describe('returns: "Returning from a Called Procedure"', () => {
  test('RET to an inner level is #GP', () => {
    expect(firstException(`${TO_RING3}\npush ${GDT.code32}\npush ring3\nretf`)).toEqual({ vector: GP, errorCode: GDT.code32 })
  })
  test('IRET to ring 3 makes null the data segments that ring 3 may not use', () => {
    const run = runProtected(`${TO_RING3}\nmov si, ds\nmov di, fs\nmov ax, ss`)
    expect([run.gpr(ESI) & 0xffffn, run.gpr(EDI) & 0xffffn]).toEqual([0n, 0n])
  })
  test('IRET with NT set would switch tasks, which this CPU refuses by name', () => {
    const run = runProtected('pushf\npop eax\nor eax, 1 << 14\npush eax\npopf\niret')
    expect(run.machine.ended).toMatchObject({ reason: 'unsupported', what: 'hardware task switch' })
  })
  test.each([
    ['a far jump to a TSS', 'jmp 0x48:0', 0x0000_8900_2100_0067n],
    ['a far call through a task gate', 'call 0x48:0', 0x0000_8500_0030_0000n],
  ])('%s is refused by the same name', (_title, body, descriptor) => {
    const run = runProtected(body, { descriptors: { [GDT.spare]: descriptor } })
    expect(run.machine.ended).toMatchObject({ reason: 'unsupported', what: 'hardware task switch' })
  })
  test('a task gate in the IDT too', () => {
    const run = runProtected('int 0x40\nhandler:', { gates: { 64: { to: 'handler', rights: 0x85, selector: GDT.tss } } })
    expect(run.machine.ended).toMatchObject({ reason: 'unsupported', what: 'hardware task switch' })
  })
})

describe('IOPL: "I/O Privilege Level", "I/O Permission Bit Map"', () => {
  test.each(['cli', 'sti', 'hlt', 'mov eax, cr0', 'lgdt [0]', 'rdmsr', 'clts', 'invlpg [0]', 'ltr ax'])('%s in ring 3 is #GP(0)', body => {
    expect(firstException(`${TO_RING3}\n${body}`)).toEqual({ vector: GP, errorCode: 0 })
  })
  test('POPF in ring 3 leaves IF and IOPL as they are', () => {
    const run = runProtected(`${TO_RING3}\npush 0x3202\npopf\npushf\npop esi`)
    expect(run.gpr(ESI)).toBe(2n)
  })
  test('a port whose bit in the bitmap is 0 may be used in ring 3, one whose bit is 1 not', () => {
    expect(firstException(`${TO_RING3}\nmov dx, 0x3bf\nout dx, al`)).toBe('none')
    expect(firstException(`${TO_RING3}\nmov dx, 0x3bf\nout dx, ax`)).toEqual({ vector: GP, errorCode: 0 })
    expect(firstException(`${TO_RING3}\nmov dx, 0x3c0\nin al, dx`)).toEqual({ vector: GP, errorCode: 0 })
  })
  test('a port beyond the limit of the TSS is #GP(0)', () => {
    expect(firstException(`${TO_RING3}\nmov dx, 0x8000\nin al, dx`)).toEqual({ vector: GP, errorCode: 0 })
  })
})

describe('SYSENTER and SYSEXIT in protected mode', () => {
  test('take fixed flat segments that stand behind IA32_SYSENTER_CS', () => {
    const wrmsr = (index: number, value: string | number) => `mov ecx, ${index}\nmov eax, ${value}\nxor edx, edx\nwrmsr\n`
    const body = `${wrmsr(0x174, 8)}${wrmsr(0x175, 0x50000)}${wrmsr(0x176, 'kernel')}mov edx, user\nmov ecx, 0x61000\nsysexit
user:   mov si, cs
        mov di, ss
        mov ebp, esp
        sysenter
kernel: mov bx, cs
        mov edx, esp`
    const run = runProtected(body)
    expect([run.gpr(ESI) & 0xffffn, run.gpr(EDI) & 0xffffn, run.gpr(EBP)]).toEqual([0x1bn, 0x23n, 0x6_1000n])
    expect([run.gpr(EBX) & 0xffffn, run.gpr(2)]).toEqual([8n, 0x5_0000n])
  })
  test('SYSCALL is #UD outside 64-bit mode', () => {
    expect(firstException('syscall')).toEqual({ vector: 6, errorCode: null })
  })
})
