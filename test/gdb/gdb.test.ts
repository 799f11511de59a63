/** A recording behind the remote protocol: packets by the gdb manual's rules. Sessions with the real gdb are in `real-gdb.test.ts`. */

import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { PacketReader, packet } from '../../src/gdb/packets.ts'
import { registersOf } from '../../src/gdb/registers.ts'
import { GdbSession } from '../../src/gdb/session.ts'
import { parseResume } from '../../src/gdb/threads.ts'
import { openTimeline } from '../../src/session/timeline.ts'
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
    session = new GdbSession(openTimeline(reader), host, registersOf('i386:x86-64'))
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

  test('asks for a damaged packet again, and answers the next one', async () => {
    sent.length = 0
    await session.receive(bytes('$g#00'))
    expect(sent).toEqual(['-'])
    expect(await ask('qC')).toBe('QC01')
  })

  test('stops a long way at an interrupt, where it has come to, and goes on from there', async () => {
    sent.length = 0
    await Promise.all([session.receive(bytes(packet('c'))), session.receive(bytes('\x03'))])
    expect(sent.join('')).toMatch(/\$T0[25]thread:01;/)
  })

  test('gives every packet an answer, whatever it holds', async () => {
    const word = fc.constantFrom(
      ...'?gpmscbZzHTPGMXqQv!,;:#$}*0123456789abcdef-'.split(''),
      'vCont;',
      'qXfer:features:read:target.xml:',
      'Z2,',
      'Hg',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 12 }), async words => {
        const data = words.join('')
        if (/^[Dk]|^vKill/.test(data)) return
        sent.length = 0
        await session.receive(bytes(packet(data)))
        expect(sent.join('')).toMatch(/^\+?\$.*#[0-9a-f]{2}$/s)
      }),
      { numRuns: 200, seed: 1 },
    )
    await session.receive(bytes('garbage \xff\x00 #12 $$$ \n'))
    expect(await ask('qC')).toBe('QC01')
  })

  test('is over when gdb detaches', async () => {
    expect(await ask('D')).toBe('OK')
    expect([session.isOver, session.isIdle]).toEqual([true, true])
  })
})

describe('what threads are told', () => {
  test.each([
    ['vCont;c', { kind: 'continue' }],
    ['vCont;s:1;c', { kind: 'step', cpu: 0 }],
    ['vCont;c:1;s:2', { kind: 'step', cpu: 1 }],
    ['vCont;S05', { kind: 'step', cpu: -1 }],
    ['vCont;r100000,100010:2;c', { kind: 'step', cpu: 1, within: [0x100000n, 0x100010n] }],
    ['vCont;s:3', undefined],
    ['vCont;x', undefined],
  ])('%s', (data, resume) => {
    expect(parseResume(data, 2)).toEqual(resume)
  })
})

test('16- and 32-bit programs have the registers of i386 in the order of its packets', () => {
  const names = (architecture: Parameters<typeof registersOf>[0]): string[] => registersOf(architecture).general.map(({ name }) => name)
  // gdb's regformats: i386 begins eax ecx edx ebx esp ebp esi edi eip; amd64 rax rbx rcx rdx rsi rdi rbp rsp r8 to r15 rip.
  expect(names('i386').slice(0, 11)).toEqual(['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi', 'eip', 'eflags', 'cs'])
  expect(names('i386:x86-64').slice(0, 9)).toEqual(['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rsp', 'r8'])
  expect(names('i8086')).toEqual(names('i386'))
})
