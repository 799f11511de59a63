/** What paging asks of control registers and bases, on the CPU itself (Intel SDM, "Control Registers"; "Canonicality Checking"). */

import { expect, test } from 'vitest'
import { runBare } from '../bare.ts'

const CATCH =
  '        set_gate 13, protect\n        load_idt\n        jmp begin\nprotect: mov r9, [rsp]\n        inc r8\n        add rsp, 8\n        mov [rsp], r10\n        iretq\nbegin:\n'

test('MOV to CR4 cannot change LA57 in IA-32e mode: #GP', () => {
  const run = runBare(`${CATCH}lea r10, [next]\nmov rax, cr4\nor rax, 1 << 12\nmov cr4, rax\nnext:`)
  expect(run.gpr(8)).toBe(1n)
})

test('CR4.PCIDE needs identifier 0 in CR3; then bit 63 of CR3 is taken and never stored', () => {
  const enable = 'mov rax, cr4\nor rax, 1 << 17\nmov cr4, rax\n'
  const run = runBare(`${CATCH}lea r10, [refused]\nmov rax, 0x3001\nmov cr3, rax\n${enable}refused: mov rax, 0x3000\nmov cr3, rax\n${enable}
mov rax, 0x8000000000003005\nmov cr3, rax\nmov rbx, cr3`)
  expect([run.gpr(8), run.gpr(3)]).toEqual([1n, 0x3005n])
})

test('a base of 57 bits may be loaded on a CPU with 5-level paging, whatever the paging mode; on another it is #GP', () => {
  const body = `${CATCH}lea r10, [next]\nwrite_msr64 MSR_GS_BASE, r11\nnext:`
  const source = body.replace('lea r10', 'mov r11, 0xff11000000000000\nlea r10')
  expect(runBare(source).gpr(8)).toBe(0n)
  expect(runBare(source, { features: ['lm', 'nx', 'pae', 'msr'] }).gpr(8)).toBe(1n)
})
