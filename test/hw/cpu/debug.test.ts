/** Debug registers and alignment checks by the rules of the SDM ("Debug Registers"; "Debug Exceptions"; "Alignment Checking"). */

import { describe, expect, test } from 'vitest'
import { runBare } from '../bare.ts'

/** R8 counts debug exceptions, R9 gathers DR6, R10 is the last return address, R11 its RFLAGS, R15 counts a step with a watched access; RF is set on return, as a
 *  handler of instruction breakpoints does. R12 counts alignment checks, which it steps over. */
const HANDLED = `
        set_gate 1, on_debug
        set_gate 17, on_alignment
        load_idt
        jmp     begin
on_debug:
        inc     r8
        mov     rax, dr6
        mov     r9, rax
        xor     eax, eax
        mov     dr6, rax
        mov     rax, dr7
        mov     r14, rax
        mov     r10, [rsp]
        mov     r11, [rsp + 16]
        mov     eax, r9d
        and     eax, 0x4001
        cmp     eax, 0x4001
        sete    al
        movzx   eax, al
        add     r15, rax
        or      dword [rsp + 16], 1 << 16
        iretq
on_alignment:
        inc     r12
        mov     r13, [rsp]
        add     rsp, 8
        add     qword [rsp], 3          ; past \`mov eax, [rbx + 1]\`
        iretq
begin:
`
const R8 = 8
const R9 = 9
const R10 = 10
const R11 = 11
const DR6_ONES = 0xffff_0ff0n

const watch = (register: number, address: string, control: string): string => `
        lea     rax, [${address}]
        mov     dr${register}, rax
        mov     eax, ${control}
        mov     dr7, rax
`

const after = (body: string) => runBare(`${HANDLED}${body}\n  jmp finish\n  align 64\ncell: dq 0, 0, 0, 0\nfinish:`)

describe('breakpoints', () => {
  test('an instruction breakpoint is a fault: it returns to the instruction, with RF clear in the frame', () => {
    const run = after(`${watch(0, 'here', '1')}\n  mov ebx, 5\nhere: inc ebx\n  lea r12, [here]`)
    expect([run.gpr(R8), run.gpr(R9), run.gpr(3)]).toEqual([1n, DR6_ONES | 1n, 6n])
    expect(run.gpr(R10)).toBe(run.gpr(12))
    expect(run.gpr(R11) & 0x1_0000n).toBe(0n)
  })

  test.each([
    ['a write of a watched byte traps after the store', 1, '0x1_0001', 'mov byte [cell], 7', 1n],
    ['a read does not meet a write breakpoint', 1, '0x1_0001', 'mov al, [cell]', 0n],
    ['a read meets a read/write breakpoint', 0, '0x3_0001', 'mov al, [cell]', 1n],
    ['an access that overlaps the watched bytes is enough', 0, '0xf_0001', 'mov rax, [cell - 4]', 1n],
    ['a neighbour is not', 0, '0xf_0001', 'mov al, [cell + 4]', 0n],
    ['eight bytes are watched with length 2', 0, '0xb_0001', 'mov al, [cell + 7]', 1n],
    ['the global enable counts as the local one', 0, '0x3_0002', 'mov al, [cell]', 1n],
    ['an instruction fetch is no data access', 0, '0x3_0001', 'nop', 0n],
  ])('%s', (_, _register, control, instruction, traps) => {
    const run = after(
      `${watch(0, 'cell', control.replace('_', ''))}\n  ${instruction}\nbehind: xor eax, eax\n  mov dr7, rax\n  lea r12, [behind]`,
    )
    expect(run.gpr(R8)).toBe(traps)
    if (traps === 1n) expect([run.gpr(R9), run.gpr(R10)]).toEqual([DR6_ONES | 1n, run.gpr(12)])
  })

  test('each iteration of REP traps by itself', () => {
    const run = after(
      `${watch(1, 'cell', '0xd0000c')}\n  lea rdi, [cell]\n  mov ecx, 6\n  xor eax, eax\n  cld\n  rep stosb\n  mov dr7, rax`,
    )
    expect([run.gpr(R8), run.gpr(R9)]).toEqual([4n, DR6_ONES | 2n])
  })

  test('a port breakpoint needs CR4.DE', () => {
    const body = (de: string) =>
      `${de}\n  mov eax, 0x80\n  mov dr2, rax\n  mov eax, 0x2000010\n  mov dr7, rax\n  out 0x80, al\n  xor eax, eax\n  mov dr7, rax`
    expect(after(body('')).gpr(R8)).toBe(0n)
    const run = after(body('mov rax, cr4\n  or rax, 8\n  mov cr4, rax'))
    expect([run.gpr(R8), run.gpr(R9)]).toEqual([1n, DR6_ONES | 4n])
  })

  test('single step and a watched store are one exception with both bits', () => {
    const run = after(
      `${watch(0, 'cell', '0x10001')}\n  pushfq\n  or dword [rsp], 0x100\n  popfq\n  mov byte [cell], 1\n  pushfq\n  and dword [rsp], ~0x100\n  popfq`,
    )
    expect(run.gpr(15)).toBe(1n)
  })

  test('general detect: MOV of a debug register is a fault, and the handler finds GD clear', () => {
    const run = after('mov eax, 0x2000\n  mov dr7, rax\nhere: mov rbx, dr0\n  lea r12, [here]')
    expect([run.gpr(R8), run.gpr(R9), run.gpr(14) & 0x2000n]).toEqual([1n, DR6_ONES | 0x2000n, 0n])
    expect(run.gpr(R10)).toBe(run.gpr(12))
  })
})

/** Ring 3 needs user pages and segments: the first 2 MBytes become user pages, and a far return goes out. */
const RING3 = `
        or      qword [0x3000], 4
        or      qword [0x4000], 4
        or      qword [0x5000], 4
        mov     rax, cr3
        mov     cr3, rax
        mov     rax, 0x00affb000000ffff
        mov     [0x1028], rax
        mov     rax, 0x00cff3000000ffff
        mov     [0x1030], rax
        sub     rsp, 16
        mov     word [rsp], 0x37
        mov     qword [rsp + 2], 0x1000
        lgdt    [rsp]
        lea     rbx, [cell]
`

describe('alignment checks', () => {
  const program = (am: boolean, ac: boolean, access: string) => `${RING3}
        ${am ? 'mov rax, cr0\n  or eax, 1 << 18\n  mov cr0, rax' : ''}
        push    0x33
        push    0x70000
        push    ${ac ? '0x43002' : '0x3002'}
        push    0x2b
        lea     rax, [outside]
        push    rax
        iretq
outside: ${access}
`
  test.each([
    ['a doubleword at an odd address in ring 3 with CR0.AM and EFLAGS.AC is #AC', true, true, 'mov eax, [rbx + 1]', 1n],
    ['an aligned one is not', true, true, 'mov eax, [rbx + 4]', 0n],
    ['without CR0.AM there are none', false, true, 'mov eax, [rbx + 1]', 0n],
    ['without EFLAGS.AC there are none', true, false, 'mov eax, [rbx + 1]', 0n],
    ['a byte is always aligned', true, true, 'mov al, [rbx + 1]', 0n],
  ])('%s', (_, am, ac, access, count) => {
    const run = after(program(am, ac, access))
    expect([run.result, run.gpr(12)]).toEqual(['ended', count])
  })
})
