/** Whatever is wrong with what the user gives: one line that says so and what to do next, the right exit code, and no stack trace. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Directory, guestSource } from './vtick.ts'

const place = new Directory({
  'spin.asm': guestSource('jmp $'),
  'ok.asm': guestSource('exit 0'),
  'latin.asm': Buffer.from('mov al, "caf\xe9"', 'latin1'),
  'empty.asm': '; nothing\n',
  'elf.o': Buffer.from('\x7fELF\x02\x01\x01\0', 'latin1'),
  'notes.txt': 'not a trace\n',
  'folder/x': '',
})

beforeAll(async () => {
  await place.vtick('run ok.asm --record ok.vtrace')
})

afterAll(() => place.remove())

/** Command line, exit code, the first line on stderr. */
const CASES: readonly (readonly [string, number, string])[] = [
  ['frobnicate', 2, "unknown command 'frobnicate'; see `vtick --help`"],
  ['rnu ok.asm', 2, "unknown command 'rnu' (did you mean run?); see `vtick --help`"],
  ['run', 2, "missing required argument 'file'; see `vtick run --help`"],
  ['run ok.asm --recrod x', 2, "unknown option '--recrod' (did you mean --record?); see `vtick run --help`"],
  ['run ok.asm -m', 2, "option '-m, --memory <mib>' argument missing; see `vtick run --help`"],
  ['info a b', 2, "too many arguments for 'info'. Expected 1 argument but got 2; see `vtick info --help`"],
  ['run nosuch.asm', 2, 'cannot read nosuch.asm: no such file; check the name, or list what is there with `ls`'],
  ['run folder', 2, 'cannot read folder: it is a directory; name a file in it'],
  ['run ok.asm/x', 2, 'cannot read ok.asm/x: a part of the path is not a directory; name a file that can be read'],
  ['run latin.asm', 2, 'latin.asm is named as a source but is not UTF-8 text; save it as UTF-8, or rename a flat binary to .bin'],
  ['run empty.asm', 3, 'empty.asm holds no code; README.md has a first guest of ten lines'],
  ['run elf.o', 2, 'elf.o: the ELF file is cut off; build it again'],
  ['run ok.vtrace', 2, 'ok.vtrace is a trace, not a program; `vtick replay ok.vtrace` runs it again'],
  ['run ok.asm -m 64K', 2, '-m 64K: not a number of MiB; write it in decimal, as -m 64'],
  ['run ok.asm -m 99999999999', 2, '-m 99999999999: out of range; choose from 2 to 1024 MiB'],
  ['run ok.asm --max-insns 0', 2, '--max-insns 0: out of range; choose from 1 to 9007199254740991 instructions'],
  [
    'run ok.asm --param apic_timer_virt=2',
    2,
    '--param apic_timer_virt=2: `2` is not 0 or 1; write --param apic_timer_virt=0 or --param apic_timer_virt=1',
  ],
  [
    'run ok.asm --param apic_timer_virt',
    2,
    '--param apic_timer_virt: the value is missing; write --param apic_timer_virt=0 or --param apic_timer_virt=1',
  ],
  [
    'run ok.asm --param apic_timr_virt=1',
    2,
    '--param apic_timr_virt=1: KVM has no parameter `apic_timr_virt` here; did you mean apic_timer_virt?',
  ],
  [
    'run ok.asm --bare --param apic_timer_virt=1',
    2,
    '--param apic_timer_virt is for KVM, and with --bare there is none; leave one of the two out',
  ],
  ['run ok.asm --cpu mx', 2, '--cpu mx: there is no model `mx`; did you mean max?'],
  [
    'run ok.asm --cpu max,+apic-timr-virt',
    2,
    '--cpu max,+apic-timr-virt: there is no feature `apic-timr-virt`; did you mean apic-timer-virt?',
  ],
  ['run ok.asm --cpu max,vmx', 2, '--cpu max,vmx: `vmx` has no + or - in front; write it as --cpu max,-apic-timer-virt'],
  ['run ok.asm --cpu max,-vmx', 2, 'KVM needs a CPU with vmx; leave -vmx out, or run with --bare'],
  [
    'run ok.asm --cpu max,-vmx,+apic-timer-virt --bare',
    2,
    '--cpu max,-vmx,+apic-timer-virt: apic-timer-virt needs a feature that is switched off; leave one of the two out',
  ],
  ['run ok.asm -D 1x=2', 2, '-D 1x=2: `1x` is not a name; write it as -D TICKS=10'],
  ['run ok.asm -I nodir', 2, '-I nodir: no such directory; check the name'],
  ['run ok.asm --stdin nosuch', 2, 'cannot read nosuch: no such file; check the name, or list what is there with `ls`'],
  ['run - --stdin -', 2, 'both the program and its console input are `-`; put one of them in a file'],
  ['run ok.asm --record ok.asm', 2, 'ok.asm is what is read: writing there would destroy it; name another file'],
  ['run ok.asm --record notes.txt', 2, 'notes.txt exists and is not a trace; name another file, or remove it first'],
  ['run ok.asm --record no/x.vtrace', 2, 'cannot write no/x.vtrace: there is no such directory; create it with `mkdir -p no`'],
  ['run ok.asm --record folder', 2, 'cannot write folder: it is a directory; make room there, or name another place'],
  [
    'asm ok.asm -f coff',
    2,
    "option '-f, --format <format>' argument 'coff' is invalid. Allowed choices are bin, elf64, elf32, exec; see `vtick asm --help`",
  ],
  ['asm ok.asm -o ok.asm', 2, 'ok.asm is what is read: writing there would destroy it; name another file'],
  [
    'asm ok.asm spin.asm -o x',
    2,
    '-o and -l name one file, and there are several sources; assemble them one by one, or leave -o and -l out',
  ],
  ['asm elf.o', 2, 'elf.o is not UTF-8 text; name an assembly source'],
  ['stat nosuch', 2, 'cannot read nosuch: no such file; check the name, or list what is there with `ls`'],
  ['stat folder', 2, 'cannot read folder: it is a directory; name a file in it'],
  ['stat notes.txt', 4, 'notes.txt: the file is not a vtick trace; record one with `vtick run FILE --record T.vtrace`'],
  ['info', 2, 'no trace is named, and there is none in .vtick/; record one with `vtick run FILE --record T.vtrace`'],
  ['diff', 2, 'no traces are named, and there are not two in .vtick/; record one with `vtick run FILE --record T.vtrace`'],
  ['diff ok.vtrace', 2, 'there is nothing to compare ok.vtrace with; name two traces: `vtick diff A.vtrace B.vtrace`'],
  [
    'diff ok.vtrace ok.vtrace --by foo',
    2,
    "option '--by <what>' argument 'foo' is invalid. Allowed choices are arch, exits, timing, memory, all; see `vtick diff --help`",
  ],
  ['diff ok.vtrace ok.vtrace --tol 3', 2, '--tol 3: not a tolerance; write it as --tol cycles=64'],
  ['diff ok.vtrace ok.vtrace --tol cycles=3', 2, '--tol is about times, and --by arch compares none; add --by timing or --by all'],
]

describe('one line, a next step, the exit code', () => {
  test.each(CASES)('vtick %s', async (line, code, words) => {
    const outcome = await place.vtick(line)
    expect(outcome).toMatchObject({ code, out: '', err: `vtick: ${words}\n` })
  })
})

test('without a command the help is printed, as an error', async () => {
  const { code, out, err } = await place.vtick('')
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toMatch(/^Usage: vtick/)
})

test.runIf(process.platform === 'linux')('a full disk is said, and no trace is promised', async () => {
  const { code, err } = await place.vtick('run spin.asm --max-insns 1000 --record /dev/full')
  expect({ code, err }).toEqual({
    code: 2,
    err: 'vtick: cannot write /dev/full: no space left on the device; make room there, or name another place\n',
  })
})

test('an image that memory cannot hold is refused before the guest starts', async () => {
  place.write('high.asm', 'bits 64\norg 0x2000000\nnop\n')
  const { code, err } = await place.vtick('run high.asm')
  expect({ code, err }).toEqual({
    code: 2,
    err: 'vtick: high.asm: its 1 bytes at 0x2000000 do not fit into 32 MiB; give it more with -m 33\n',
  })
})
