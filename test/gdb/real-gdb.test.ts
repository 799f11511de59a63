/** The real gdb at a recording: over a pipe and over TCP, on a source, with several CPUs, in real mode. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { connect } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packet } from '../../src/gdb/packets.ts'
import { hasTool, run } from '../assembler/tools.ts'
import { Directory, guestSource, ROOT } from '../cli/vtick.ts'

const NODE = ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href, join(ROOT, 'src/cli/main.ts')]
const VTICK = `${process.execPath} ${NODE.join(' ')}`

/** CPUID exits at `here`; what follows is known line by line. */
const GUEST = guestSource(
  'mov r12, 1',
  'mov qword [counter], 7',
  'here: xor eax, eax',
  'cpuid',
  'inc r12',
  'mov rax, [counter]',
  'after: exit 0',
  'align 8',
  'counter: dq 0',
)

/** Adds 1 to 2 at 0x7c00 and halts for ever. */
const BOOT_SECTOR = [
  'bits 16',
  'org 0x7c00',
  'mov ax, 1',
  'add ax, 2',
  'mov bx, ax',
  'hang: cli',
  'hlt',
  'times 510-($-$$) db 0',
  'dw 0xaa55',
  '',
].join('\n')

describe.skipIf(!hasTool('gdb'))('the real gdb', () => {
  const place = new Directory({
    'guest.asm': GUEST,
    'boot.asm': BOOT_SECTOR,
    'smp.asm': readFileSync(join(ROOT, 'test/gdb/two-cpus.asm'), 'utf8'),
  })

  beforeAll(async () => {
    for (const line of [
      'run guest.asm --record guest.vtrace',
      'asm guest.asm -f exec -g -o guest.elf',
      'asm smp.asm -f exec -g -o smp.elf',
      'asm boot.asm -f bin -o boot.bin',
      'run smp.asm --smp 2 --record smp.vtrace',
    ])
      expect((await place.vtick(line)).code, line).toBe(0)
    expect((await place.vtick('run boot.bin --record boot.vtrace')).code).toBe(5) // it halts for ever
  })

  afterAll(() => place.remove())

  /** What it prints, on either stream. It ends with an error where it is refused. */
  const gdb = (file: string, ...lines: readonly string[]): string[] => {
    const args = ['-nx', '-batch', ...['set pagination off', ...lines].flatMap(line => ['-ex', line]), ...(file === '' ? [] : [file])]
    return run('sh', ['-c', 'gdb "$@" 2>&1; true', 'gdb', ...args], place.path).split('\n')
  }

  const told = (lines: readonly string[], pattern: RegExp): string[] => lines.filter(line => pattern.test(line))

  test('stops at lines and at changes of memory, in both directions, and sees the VMCS', () => {
    const shown = gdb(
      'guest.elf',
      `target remote | ${VTICK} gdb guest.vtrace`,
      'break here',
      'continue',
      'info line *$rip',
      'stepi',
      'x/i $rip',
      'stepi',
      'printf "exited: rip %d, reason %d\\n", (long)$rip == $vmcs_guest_rip, $vmcs_vm_exit_reason',
      'stepi',
      'printf "r12 %d\\n", $r12',
      'delete',
      'watch *(long*)&counter',
      'reverse-continue',
      'info line *$rip',
      'printf "counter %d\\n", *(long*)&counter',
      'delete',
      'reverse-continue',
      'continue',
    )
    expect(told(shown, /^(Line|=>|exited|r12|counter|No more|Old|New)/)).toEqual([
      expect.stringMatching(/^Line 4 of "guest.asm" starts at address 0x\w+ <here>/),
      expect.stringMatching(/^=> 0x\w+ <here\+2>:\tcpuid/),
      'exited: rip 1, reason 10', // CPUID (Intel SDM, "VMX Basic Exit Reasons")
      'r12 2',
      'Old value = 7',
      'New value = 0',
      expect.stringMatching(/^Line 3 of "guest.asm"/),
      'counter 0',
      'No more reverse-execution history.',
      'No more reverse-execution history.',
    ])
  }, 60_000)

  test('records a source first; a watch of reads stops behind the read, of either behind both; `monitor` answers about the place', () => {
    const shown = gdb(
      'guest.elf',
      `target remote | ${VTICK} gdb guest.asm`,
      'rwatch *(long*)&counter',
      'continue',
      'info line *$rip',
      'printf "rax %d\\n", $rax',
      'delete',
      'monitor why rax',
      'monitor until rip == here',
      'monitor back rip == here',
      'maintenance flush register-cache',
      'info line *$rip',
      'awatch *(long*)&counter',
      'reverse-continue',
      'info line *$rip',
      'monitor query exit(CPUID) --count',
      'monitor walk counter',
      'monitor nonsense',
      'monitor until [counter]:8 = 7',
    )
    expect(told(shown, /^(Line|rax|Value|Old|New|why| {2}i:|1$|page tables|there is no|.*does not fit|.*never)/)).toEqual([
      'Value = 7',
      expect.stringMatching(/^Line 8 of "guest.asm"/), // behind the load
      'rax 7',
      expect.stringMatching(/^why {2}rax = 0x7 {3}at i:5 /),
      expect.stringMatching(/^ {2}i:4 .* guest.asm:7/), // the load
      expect.stringMatching(/^ {2}i:1 .* guest.asm:3/), // the store
      '`rip == here` never comes true from here',
      expect.stringMatching(/^Line 4 of "guest.asm"/),
      'Old value = 7',
      'New value = 0',
      expect.stringMatching(/^Line 3 of "guest.asm"/), // backward before the store
      '1',
      expect.stringMatching(/^page tables from CR3 0x3000/),
      'there is no `monitor nonsense`; `monitor help` lists all',
      expect.stringMatching(/^`=` does not fit here in `\[counter\]:8 = 7` at column 13; to compare, write `==`/),
    ])
  }, 60_000)

  test('has a thread for each CPU: where each stands, steps of one, registers of the other', () => {
    const shown = gdb(
      'smp.elf',
      `target remote | ${VTICK} gdb smp.vtrace`,
      'info threads',
      'break worker',
      'continue',
      'stepi',
      'stepi',
      'printf "r15 of 2: %d\\n", $r15',
      'thread 1',
      'printf "r15 of 1: %d\\n", $r15',
      'thread 2',
      'watch *(int*)&arrived',
      'continue',
      'delete',
      'reverse-stepi',
      'info line *$rip',
      'break heard',
      'continue',
      'printf "arrived %d\\n", *(int*)&arrived',
      'thread 2',
      'info line *$rip',
    )
    expect(told(shown, /^(\*|Thread . hit|r15|Line|Old|New|arrived)/)).toEqual([
      expect.stringMatching(/^\* 1 +Thread 1 \(CPU 0\)/),
      expect.stringMatching(/^Thread 2 hit Breakpoint 1, worker/),
      'r15 of 2: 119', // 0x77
      'r15 of 1: 17', // 0x11
      'Thread 2 hit Hardware watchpoint 2: *(int*)&arrived',
      'Old value = 0',
      'New value = 1',
      expect.stringMatching(/^Line 46 of "smp.asm" starts at address \w+ <told>/),
      expect.stringMatching(/^Thread 1 hit Breakpoint 3, heard/),
      'arrived 1',
      expect.stringMatching(/^Line 48 of "smp.asm" starts at address \w+ <idle\+1>/), // halted, behind its HLT
    ])
  }, 60_000)

  test('disassembles a boot sector as 16-bit code, and 32-bit code when told so', () => {
    const shown = gdb(
      '',
      `target remote | ${VTICK} gdb boot.vtrace`,
      'show architecture',
      'x/3i $eip',
      'break *0x7c06',
      'continue',
      'printf "ax %d\\n", $eax & 0xffff',
      'set architecture i386',
      'printf "eip %x\\n", $eip',
      'set architecture i8086',
      'reverse-stepi',
      'printf "ax %d\\n", $eax & 0xffff',
      'info registers cr0',
    )
    expect(told(shown, /^(The target|=>| {3}0x|ax|eip|cr0|Remote)/)).toEqual([
      expect.stringContaining('"i8086"'),
      expect.stringMatching(/^=> 0x7c00:\tmov +\$0x1,%ax/),
      expect.stringMatching(/0x7c03:\tadd +\$0x2,%ax/),
      expect.stringMatching(/0x7c06:\tmov +%ax,%bx/),
      'ax 3',
      expect.stringContaining('"i386"'),
      'eip 7c06',
      expect.stringContaining('"i8086"'),
      'ax 1',
      expect.stringMatching(/^cr0 +0x\w*0 /), // bit 0, PE, is clear
    ])
  }, 60_000)

  describe('over TCP', () => {
    let server: ChildProcess
    let port: string
    let words = ''

    beforeAll(async () => {
      server = spawn(process.execPath, [...NODE, 'gdb', 'guest.vtrace', '--port', '0'], {
        cwd: place.path,
        stdio: ['ignore', 'inherit', 'pipe'],
      })
      server.stderr!.on('data', (bytes: Buffer) => {
        words += bytes.toString()
      })
      while (!words.includes('\n')) await once(server.stderr!, 'data')
      port = /target remote 127\.0\.0\.1:(\d+)/.exec(words)![1]!
    }, 60_000)

    afterAll(() => void server.kill())

    test('serves one gdb, refuses a second one in words, says that the port is taken, and ends with its gdb', async () => {
      const taken = await place.vtick(`gdb guest.vtrace --port ${port}`)
      expect([taken.code, taken.err]).toEqual([2, `vtick: port ${port} is in use; choose another with --port\n`])
      const first = connect(Number(port), '127.0.0.1')
      await once(first, 'connect')
      first.write(packet('qC'), 'latin1')
      let heard = ''
      while (!heard.includes('QC01')) heard += String((await once(first, 'data'))[0])
      const second = gdb('guest.elf', `target remote 127.0.0.1:${port}`).join('\n')
      expect(second).toContain('another gdb is connected to this vtick')
      first.write(packet('c'), 'latin1') // and it breaks off on the way
      first.destroy()
      const [code] = server.exitCode === null ? await once(server, 'exit') : [server.exitCode]
      expect(code).toBe(0)
      expect(words.split('\n').filter(line => line !== '')).toEqual([
        expect.stringContaining(`target remote 127.0.0.1:${port}`),
        expect.stringContaining('another gdb wanted in'),
      ])
    }, 60_000)
  })
})
