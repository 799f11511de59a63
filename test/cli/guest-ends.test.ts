/** However a guest ends: the exit code, and words that say where it stood and what to do. */

import { afterAll, describe, expect, test } from 'vitest'
import { Directory, guestSource } from './vtick.ts'

const place = new Directory({
  'good.asm': guestSource('print "fine"', 'newline', 'exit 0'),
  'three.asm': guestSource('exit 3'),
  'fail.asm': guestSource('mov eax, 1', 'cmp eax, 2', 'report "one is two", e', 'exit 0'),
  'ud.asm': guestSource('nop', 'ud2'),
  'gate.asm': guestSource('load_idt', 'ud2'),
  'off.asm': guestSource('print "no newline"', 'cli', 'hlt'),
  'on.asm': guestSource('sti', 'hlt', 'exit 0'),
  'spin.asm': guestSource('jmp $'),
  'far.asm': guestSource('mov rax, 0x3f000000', 'mov rbx, [rax]', 'cmp rbx, -1', 'report "all ones", e'),
  'sixteen.asm': 'mov al, 0\nout 0xf4, al\n',
  'bad.asm': '%include "guest.inc"\n mvo eax, 1\n push\n',
})

afterAll(() => place.remove())

const HALT = 'end the run with `exit 0`'

/** Command line, exit code, stdout, stderr. */
const CASES: readonly (readonly [string, number, string, string])[] = [
  ['good.asm', 0, 'fine\n', ''],
  ['good.asm --guest-status', 1, 'fine\n', ''],
  [
    'three.asm',
    1,
    '',
    'three.asm: the guest wrote 3 to port 0xf4; see what led there: `vtick run three.asm --record T.vtrace`, then `vtick stat T.vtrace`',
  ],
  [
    'three.asm --guest-status',
    7,
    '',
    'three.asm: the guest wrote 3 to port 0xf4; see what led there: `vtick run three.asm --record T.vtrace`, then `vtick stat T.vtrace`',
  ],
  [
    'off.asm',
    5,
    'no newline',
    `off.asm: the guest halts for ever at rip 0x100022 (off.asm:4: hlt): interrupts are off (IF=0); \`sti\` before HLT, or ${HALT}`,
  ],
  [
    'on.asm',
    5,
    '',
    `on.asm: the guest halts for ever at rip 0x100001 (on.asm:3: hlt): no timer is armed that could wake it; arm one before HLT, or ${HALT}`,
  ],
  [
    'spin.asm --max-insns 5000',
    124,
    '',
    'spin.asm: no end after 5 000 instructions, at rip 0x100000 (spin.asm:2: jmp $); give it more with --max-insns, or end it with `exit 0`',
  ],
]

describe.each(['', ' --bare'])('run%s', mode => {
  test.each(CASES)('%s', async (line, code, out, words) => {
    const outcome = await place.vtick(`run ${line}${mode}`)
    expect(outcome).toMatchObject({ code, out, err: words === '' ? '' : `vtick: ${words}\n` })
  })

  test('a FAIL: line counts, whatever the status', async () => {
    const { code, out, err } = await place.vtick(`run fail.asm${mode}`)
    expect({ code, out }).toEqual({ code: 1, out: 'FAIL: one is two\n' })
    expect(err).toMatch(/^vtick: fail\.asm: the guest printed "FAIL: one is two"; see what led there: /)
  })

  test('a triple fault names the instruction and what is missing', async () => {
    const without = await place.vtick(`run ud.asm${mode}`)
    expect(without.code).toBe(5)
    expect(without.err).toMatch(/^vtick: ud\.asm: triple fault at rip 0x100001 \(ud\.asm:3: ud2\).*; it has no IDT, .*\n$/)
    const gateless = await place.vtick(`run gate.asm${mode}`)
    expect(gateless.code).toBe(5)
    expect(gateless.err).toMatch(/\(gate\.asm:3: ud2\).*; its IDT has no working gate for the exception: .*\n$/)
  })
})

test.each(['', ' --bare'])('where the guest has no memory it reads all ones, as on a bus where nobody answers%s', async mode => {
  const { code, out } = await place.vtick(`run far.asm${mode}`)
  expect(out).toContain('PASS: all ones')
  expect(code).toBe(0)
})

test('a source without BITS is 16-bit code, and run warns', async () => {
  const { err } = await place.vtick('run sixteen.asm')
  expect(err.split('\n')[0]).toBe(
    'vtick: warning: sixteen.asm: the code is 16-bit (no BITS says otherwise, and that is NASM\'s default), but guests start in 64-bit mode; begin it with `%include "guest.inc"`',
  )
})

test('a source with errors gets all of them, with their places, and runs nothing', async () => {
  const { code, out, err } = await place.vtick('run bad.asm')
  expect({ code, out }).toEqual({ code: 3, out: '' })
  expect(err).toContain('bad.asm:2:2: error[E0111]: unknown instruction `mvo`')
  expect(err).toContain('bad.asm:3:2: error')
  expect(err.trimEnd().split('\n').at(-1)).toBe('vtick: bad.asm does not assemble; correct the lines above, from the first on')
})

test('Ctrl-C ends the run; what was recorded replays', async () => {
  const { code, err } = await place.vtick('run spin.asm --record cut.vtrace', { interruptAt: 2 })
  expect(code).toBe(130)
  expect(err).toMatch(/\nvtick: spin\.asm: interrupted; `vtick info cut\.vtrace` tells how far it came\n$/)
  expect(await place.vtick('replay cut.vtrace')).toMatchObject({ code: 0 })
})

test('Ctrl-C leaves a replay where it is', async () => {
  expect(await place.vtick('run spin.asm --max-insns 1200000 --record long.vtrace')).toMatchObject({ code: 124 })
  expect(await place.vtick('replay long.vtrace', { interruptAt: 1 })).toMatchObject({
    code: 130,
    out: '',
    err: 'vtick: long.vtrace: interrupted; nothing was decided, so replay it again\n',
  })
})
