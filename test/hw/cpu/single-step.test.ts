/** RFLAGS.TF (Intel SDM, "Single-Step Exception Condition"), and what MOV SS and STI hold back ("Masking Exceptions and Interrupts When Switching Stacks"). */

import { expect, test } from 'vitest'
import { runProtected } from './legacy.ts'

const [ESI, EDI] = [6, 7]

/** Counts the traps in ESI, and keeps the address of the last one in EDI; `label` is relative to it. */
const traps = (body: string) => {
  const run = runProtected(
    `xor esi, esi\npushf\nor dword [esp], 0x100\npopf\n${body}\npushf\nand dword [esp], ~0x100\npopf\njmp done
handler: inc esi
        mov edi, [esp]
        iret
plain:  nop
        iret
done:`,
    { gates: { 1: { to: 'handler' }, 64: { to: 'plain' } } },
  )
  // PUSHF, AND and POPF at the end are stepped too: the trap after POPF is the last.
  return { counted: Number(run.gpr(ESI)) - 3 }
}

test('a trap comes after each instruction that begins with TF set: not after the POPF that sets it', () => {
  expect(traps('nop\nnop').counted).toBe(2)
})
test('an interrupt handler is not stepped, and no trap follows INT n itself', () => {
  // IRET back to stepped code begins with TF clear.
  expect(traps('int 0x40\nnop').counted).toBe(1)
})
test('no trap comes between MOV SS and the instruction behind it', () => {
  expect(traps('mov eax, ss\nmov ss, eax\nnop').counted).toBe(2)
})
test('the trap is told by DR6.BS, and its frame names the next instruction', () => {
  const run = runProtected(
    `pushf\nor dword [esp], 0x100\npopf\nstepped: nop\nbehind: nop\nhandler: mov edi, [esp]\nsub edi, behind\nmov eax, dr6`,
    {
      gates: { 1: { to: 'handler' } },
    },
  )
  expect([run.gpr(EDI), run.gpr(0) & 0x4000n]).toEqual([0n, 0x4000n])
})
test('a fault is not followed by a trap of the instruction that raised it', () => {
  const run = runProtected(
    `xor esi, esi\npushf\nor dword [esp], 0x100\npopf\nud2\nstep: inc esi\niret\nfault: mov edi, [esp + 8]\nmov eax, esi`,
    { gates: { 1: { to: 'step' }, 6: { to: 'fault' } } },
  )
  expect([run.gpr(0), run.gpr(EDI) & 0x1_0100n]).toEqual([0n, 0x1_0100n]) // RF and TF in the image
})
