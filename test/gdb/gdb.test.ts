/** A recording behind the remote protocol: packets by the gdb manual's rules, and a session with the real gdb. */

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PacketReader, packet } from '../../src/gdb/packets.ts'
import { GdbSession } from '../../src/gdb/session.ts'
import { openTimeline } from '../../src/session/timeline.ts'
import { hasTool, run } from '../assembler/tools.ts'
import { Directory, guestSource, ROOT } from '../cli/vtick.ts'
import { recorded } from '../recorded.ts'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

describe('packets', () => {
  test('carry a checksum, and escape what would end them', () => {
    expect(packet('OK')).toBe('$OK#9a') // the manual's sum of the characters, modulo 256
    expect(packet('a#b')).toBe(`$a}\x03b#${((0x61 + 0x7d + 0x03 + 0x62) & 0xff).toString(16).padStart(2, '0')}`)
  })

  test('are read however the bytes are cut, with acknowledgements and interrupts between', () => {
    const stream = `+${packet('qSupported')}\x03+${packet('m0,}')}$bad#00`
    const whole = new PacketReader().receive(bytes(stream))
    expect(whole).toEqual([
      { kind: 'packet', data: 'qSupported' },
      { kind: 'interrupt' },
      { kind: 'packet', data: 'm0,}' },
      { kind: 'damaged' },
    ])
    const reader = new PacketReader()
    expect([...stream].flatMap(char => reader.receive(bytes(char)))).toEqual(whole)
  })
})

describe('a session', () => {
  const sent: string[] = []
  let session: GdbSession

  beforeAll(() => {
    const { reader } = recorded('examples/deadline-hlt.asm', { defines: { TICKS: '2' } })
    const host = {
      send: (text: string) => void sent.push(text),
      breathe: async () => {},
      monitor: async (line: string) => ({ text: `heard ${line}\n` }),
    }
    session = new GdbSession(openTimeline(reader), host)
  })

  /** What comes back, without acknowledgement, frame and checksum. */
  async function ask(data: string): Promise<string> {
    sent.length = 0
    await session.receive(bytes(packet(data)))
    return /\$(.*)#..$/s.exec(sent.join(''))![1]!
  }

  test('stands at the start, steps forward and back to where it was', async () => {
    const start = await ask('g')
    expect(await ask('?')).toBe('T05thread:01;')
    const places = [start]
    for (let i = 0; i < 12; i++) {
      expect(await ask('s')).toBe('T05thread:01;')
      places.push(await ask('g'))
    }
    for (let i = 11; i >= 0; i--) {
      await ask('bs')
      expect(await ask('g')).toBe(places[i])
    }
    expect(await ask('bs')).toBe('T05thread:01;replaylog:begin;')
  })

  test('refuses to write, says what is not mapped, passes `monitor` on, and answers unknown packets with nothing', async () => {
    expect(await ask('M100000,1:00')).toBe('E01')
    expect(await ask('m7fff00000000,8')).toBe('E0e')
    expect(await ask('qNothingOfOurs')).toBe('')
    expect(await ask(`qRcmd,${Buffer.from('stat').toString('hex')}`)).toBe(Buffer.from('heard stat\n').toString('hex'))
    expect(await ask('mzz')).toBe('E01')
  })
})

const hasGdb = hasTool('gdb')

describe.skipIf(!hasGdb)('the real gdb', () => {
  const place = new Directory({
    'guest.asm': guestSource(
      'mov r12, 1',
      'mov qword [counter], 7',
      'here: xor eax, eax',
      'cpuid',
      'inc r12',
      'exit 0',
      'align 8',
      'counter: dq 0',
    ),
  })
  const VTICK = `${process.execPath} --import ${pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href} ${join(ROOT, 'src/cli/main.ts')}`

  afterAll(() => place.remove())

  test('stops at lines and at changes of memory, in both directions, and sees the VMCS', async () => {
    expect((await place.vtick('run guest.asm --record guest.vtrace')).code).toBe(0)
    expect((await place.vtick('asm guest.asm -f exec -g -o guest.elf')).code).toBe(0)
    const script = [
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
    ]
    const shown = run('gdb', ['-nx', '-batch', ...script.flatMap(line => ['-ex', line]), 'guest.elf'], place.path)
    const told = shown.split('\n').filter(line => /^(Line|=>|exited|r12|counter|No more|Old|New)/.test(line))
    expect(told).toEqual([
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
})
