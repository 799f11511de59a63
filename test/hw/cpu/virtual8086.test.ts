/** Real-address mode's interrupts and virtual-8086 mode (Intel SDM, "8086 Emulation"). */

import { describe, expect, test } from 'vitest'
import { GDT, runProtected, runReal } from './legacy.ts'

const [EAX, EBX, EBP, ESI, EDI] = [0, 3, 5, 6, 7]
const word = (value: bigint): bigint => value & 0xffffn

describe('interrupts of real-address mode: "Interrupt and Exception Handling"', () => {
  const hook = (vector: number) => `mov word [${4 * vector}], handler\nmov word [${4 * vector} + 2], cs\n`

  test('INT goes through the vector table; FLAGS, CS and IP lie on the stack; IF is off; IRET goes back', () => {
    const run = runReal(
      `${hook(0x40)}sti\nint 0x40\nafter: mov bx, sp\njmp done\nhandler: mov bp, sp\nmov si, [bp + 4]\npushf\npop di\niret\ndone:`,
    )
    expect([run.gpr(EBP), run.gpr(EBX), run.gpr(ESI), run.gpr(EDI)].map(word)).toEqual([0x7bfan, 0x7c00n, 0x202n, 2n])
  })
  test('an exception pushes no error code', () => {
    // A word at offset FFFFH goes beyond the limit: #GP.
    const run = runReal(`${hook(13)}mov bx, 0xffff\nfault: mov ax, [bx]\nhandler: mov bp, sp\nmov si, [bp]\nsub si, fault`)
    expect([run.gpr(EBP), run.gpr(ESI)].map(word)).toEqual([0x7bfan, 0n])
  })
  test('a vector beyond the limit of IDTR leads to shutdown', () => {
    const run = runReal('lidt [table]\nint 0x40\ntable: dw 0\ndd 0')
    expect(run.machine.ended).toMatchObject({ reason: 'shutdown' })
  })
  test.each(['ltr ax', 'lldt ax', 'sldt ax', 'str ax', 'lar ax, bx', 'lsl ax, bx', 'verr ax', 'verw ax'])('%s is #UD there', body => {
    const run = runReal(`${hook(6)}xor si, si\n${body}\njmp done\nhandler: mov si, 6\ndone:`)
    expect(word(run.gpr(ESI))).toBe(6n)
  })
})

/** Goes to virtual-8086 mode at `v86`, which is copied to 0x8000, with ES, DS, FS, GS at 1 to 4. */
const TO_VIRTUAL_8086 = (iopl: number): string => `
        mov     esi, v86
        mov     edi, 0x8000
        mov     ecx, 0x100
        rep     movsb
        push    4
        push    3
        push    2
        push    1
        push    0x3000                  ; SS
        push    0x1000                  ; SP
        push    (1 << 17) | (${iopl} << 12) | 2
        push    0x800                   ; CS
        push    0
        iret`
const v86Program = (iopl: number, body: string, handler: string): string =>
  `${TO_VIRTUAL_8086(iopl)}\nbits 16\nv86:\n${body}\nbits 32\n${handler}`
const KEEP = 'handler: mov ebp, esp\nmov esi, [esp]\nmov edi, [esp + 8]\nmov ebx, [esp + 24]\nmov eax, ds'
const GATE = { to: 'handler', rights: 0xee, selector: GDT.code32 }

describe('virtual-8086 mode', () => {
  test('is entered by IRET with VM set at CPL 0; INT n with IOPL 3 leaves it for ring 0, all segments on its stack', () => {
    const run = runProtected(v86Program(3, 'mov ax, es\nmov cx, ax\nint 0x40', KEEP), { gates: { 64: GATE } })
    // 36 bytes: GS FS DS ES SS ESP EFLAGS CS EIP
    expect(run.gpr(EBP)).toBe(0x7_0000n - 36n)
    expect([run.gpr(ESI), run.gpr(EDI) & 0x2_0000n, run.gpr(EBX)]).toEqual([6n, 0x2_0000n, 2n])
    expect([word(run.gpr(EAX)), word(run.gpr(1))]).toEqual([0n, 1n])
  })
  test.each(['cli', 'sti', 'pushf', 'popf', 'int 0x40', 'iret'])('%s needs IOPL 3, else #GP(0)', body => {
    const run = runProtected(v86Program(0, body, 'handler: pop esi\nmov edi, 13'), { gates: { 13: { ...GATE, rights: 0x8e } } })
    expect([run.gpr(ESI), run.gpr(EDI)]).toEqual([0n, 13n])
  })
  test('addresses are paragraphs and offsets', () => {
    const run = runProtected(v86Program(3, 'mov ax, 0x2000\nmov ds, ax\nmov word [4], 0x1234\nint 0x40', KEEP), { gates: { 64: GATE } })
    expect(run.machine.memory.read16(0x20004)).toBe(0x1234)
  })
})
