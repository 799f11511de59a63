/** The commands that read traces, and those that make files: what they print, and what they do with damaged or altered traces. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { memorySink, openTrace, type PlainObject } from '../../src/trace/file.ts'
import { type Rewrite, rewriteTrace } from '../../src/trace/rewrite.ts'
import { Directory, guestSource, ROOT } from './vtick.ts'

const ECHO = readFileSync(join(ROOT, 'examples/echo.asm'))
const LINES = ['mov ecx, COUNT', 'again: push rcx', 'xor eax, eax', 'cpuid', 'pop rcx', 'loop_back: dec ecx', 'jnz again', 'exit 0']

const place = new Directory({
  'echo.asm': ECHO,
  'cpuid.asm': guestSource('%include "count.inc"', ...LINES),
  'lib/count.inc': '%ifndef COUNT\n%define COUNT 3\n%endif\n',
  'line.txt': 'hello there\n',
})

const read = (name: string): Buffer => readFileSync(join(place.path, name))

/** A forged copy, its checksums right. */
function forge(name: string, rewrite: Rewrite, from = 'echo.vtrace'): void {
  const sink = memorySink()
  rewriteTrace(openTrace(read(from)), sink, rewrite)
  place.write(name, sink.bytes())
}

beforeAll(async () => {
  const recorded = [
    await place.vtick('run cpuid.asm -I lib --record three.vtrace'),
    await place.vtick('run cpuid.asm -Ilib -DCOUNT=5 --record five.vtrace'),
    await place.vtick('run echo.asm --stdin line.txt --record echo.vtrace'),
  ]
  expect(recorded.map(({ code }) => code)).toEqual([0, 0, 0])
})

afterAll(() => place.remove())

describe('run --record', () => {
  test('says what it recorded, on stderr', async () => {
    const { code, out, err } = await place.vtick('run cpuid.asm -I lib --record again.vtrace')
    expect({ code, out }).toEqual({ code: 0, out: '' })
    expect(err).toMatch(/^vtick: recorded [\d ]+ events to again\.vtrace; `vtick stat again\.vtrace` counts its exits\n$/)
  })

  test('writes the same bytes again, from wherever the source is named', async () => {
    await place.vtick(['run', join(place.path, 'cpuid.asm'), '-I', 'lib', '--record', 'absolute.vtrace'])
    expect(Buffer.compare(read('absolute.vtrace'), read('three.vtrace'))).toBe(0)
  })

  test('makes .vtick, whose newest trace is what commands mean without a name', async () => {
    await place.vtick('run cpuid.asm -I lib --record .vtick/a.vtrace')
    const { out } = await place.vtick('info')
    expect(out).toContain('.vtick/a.vtrace')
  })

  test('takes console input from stdin', async () => {
    const { code, out } = await place.vtick('run echo.asm --stdin -', { stdin: 'from stdin\n' })
    expect({ code, line: out.split('\n')[1] }).toEqual({ code: 0, line: 'you said: from stdin' })
  })
})

describe('asm', () => {
  test('writes a flat binary that runs as the source does', async () => {
    const made = await place.vtick('asm echo.asm -l echo.lst')
    expect(made).toMatchObject({ code: 0, out: '', err: expect.stringMatching(/^vtick: echo\.asm -> echo\.bin: \d+ bytes at 0x100000\n$/) })
    expect(read('echo.lst').toString()).toContain('call    console_text')
    const [source, binary] = [await place.vtick('run echo.asm', { stdin: '' }), await place.vtick('run echo.bin')]
    expect(binary.out).toBe(source.out)
  })

  test('reads stdin and writes stdout', async () => {
    expect((await place.vtick('asm - -f bin -o -', { stdin: 'bits 64\ninc rax\n' })).bytes).toEqual(Buffer.of(0x48, 0xff, 0xc0))
  })
})

describe('replay', () => {
  test('says that a recording is the same, its input included', async () => {
    expect((await place.vtick('replay echo.vtrace')).out).toMatch(/^echo\.vtrace: the same: all [\d ]+ events, state [0-9a-f]{16}\n$/)
  })

  test('explains a divergence: the field, both values, the last agreeing event, the cause, the next command', async () => {
    forge('dropped.vtrace', { event: event => (event.kind === 'input' ? undefined : event) })
    const { code, out, err } = await place.vtick('replay dropped.vtrace')
    expect({ code, out }).toEqual({ code: 6, out: '' })
    const lines = err.split('\n')
    expect(lines[0]).toMatch(/^vtick: dropped\.vtrace: the replay diverges at #\d+: kvm_pio\.value was 0x61, and is 0x60 now$/)
    expect(lines[1]).toMatch(/^ {2}last agreeing {2}#\d+ /)
    expect(lines.slice(2).join('\n')).toContain('an input event was dropped or altered')
    expect(lines.at(-2)).toContain('vtick diff dropped.vtrace NEW --by all')
  })

  test.each([
    ['no mode', {}],
    ['too much memory', { mode: 'kvm', guestMemoryMiB: 2 ** 40 }],
  ])('a configuration with %s is damage, not a mistake of ours', async (_, config) => {
    forge('config.vtrace', { header: header => ({ ...header, config }) })
    for (const command of ['replay', 'info']) {
      const { code, err } = await place.vtick(`${command} config.vtrace`)
      expect(code).toBe(4)
      expect(err).toMatch(/^vtick: config\.vtrace: the trace is damaged: the header: its configuration does not say .*\n$/)
    }
  })
})

describe('a trace of another vtick', () => {
  const withParameters = (change: (parameters: Record<string, unknown>) => Record<string, unknown>): Rewrite => ({
    header: header => ({
      ...header,
      config: { ...header.config, parameters: change(header.config.parameters as Record<string, unknown>) as PlainObject },
    }),
  })

  test('from before a module parameter existed is replayed and travelled in as if that were off', async () => {
    await place.vtick('run echo.asm --record off.vtrace --param lapic_timer_advance=0 --param halt_poll_ns=0', { stdin: 'a.\n' })
    const older = withParameters(({ lapic_timer_advance: _, halt_poll_ns: __, ...parameters }) => parameters)
    forge('older.vtrace', older, 'off.vtrace')
    expect((await place.vtick('replay older.vtrace')).out).toMatch(/^older\.vtrace: the same: all /)
    const [there, here] = await Promise.all(['older', 'off'].map(name => place.vtick(`replay ${name}.vtrace --to i:600`)))
    expect(there!.out).toMatch(/^i:600 /)
    expect(there!.out).toBe(here!.out)
  })

  test('with a module parameter that does not exist here is refused by its name, not called damaged', async () => {
    forge(
      'newer.vtrace',
      withParameters(parameters => ({ ...parameters, warp_drive: true })),
    )
    const { code, err } = await place.vtick('replay newer.vtrace')
    expect({ code, err }).toEqual({
      code: 4,
      err: 'vtick: newer.vtrace: the trace was recorded with the module parameter `warp_drive`, which this vtick does not know; open it with the vtick that recorded it, or record the guest again\n',
    })
  })
})

describe('a file that is not whole', () => {
  test('cut short, it is read up to its last whole block, and that is said', async () => {
    const sink = memorySink()
    rewriteTrace(openTrace(read('echo.vtrace')), sink, {})
    place.write('cut.vtrace', sink.bytes().subarray(0, -20))
    const { code, out, err } = await place.vtick('stat cut.vtrace')
    expect(code).toBe(0)
    expect(out).toContain('IO_INSTRUCTION')
    expect(err).toMatch(/^vtick: cut\.vtrace: the trace was cut short: .*; record the guest again for the rest\n$/)
    expect(await place.vtick('replay cut.vtrace')).toMatchObject({ code: 0 })
  })

  test('with one bit flipped, it is refused', async () => {
    const bytes = read('echo.vtrace')
    bytes[bytes.length >> 1]! ^= 0x10
    place.write('flipped.vtrace', bytes)
    const { code, err } = await place.vtick('diff flipped.vtrace echo.vtrace')
    expect(code).toBe(4)
    expect(err).toMatch(/^vtick: flipped\.vtrace: the trace is damaged: .*: the checksum is wrong; .*\n$/)
  })
})

describe('stat, diff and info', () => {
  test('stat counts exits, for people and for programs', async () => {
    expect((await place.vtick('stat five.vtrace')).out).toMatch(/^event .*samples.*\nL1 EPT_VIOLATION|^L1 CPUID +5 /m)
    const { version, rows } = JSON.parse((await place.vtick('stat five.vtrace --json')).out) as {
      version: number
      rows: { reason: string; samples: number }[]
    }
    expect(version).toBe(1)
    expect(rows.find(({ reason }) => reason === 'CPUID')).toMatchObject({ level: 1, samples: 5 })
  })

  test('diff answers with its exit code', async () => {
    expect(await place.vtick('diff three.vtrace three.vtrace')).toMatchObject({ code: 0 })
    const { code, out } = await place.vtick('diff three.vtrace five.vtrace --by exits')
    expect(code).toBe(1)
    expect(out).toContain('first difference: ')
    expect(out).toMatch(/L1 CPUID +3 {2}-> +5 +\(\+2\)/)
  })

  test('diff --expect is for scripts', async () => {
    expect(await place.vtick('diff three.vtrace five.vtrace --expect same-arch')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^as expected \(same-arch\): /),
    })
    expect(await place.vtick('diff three.vtrace five.vtrace --expect same-exits')).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^not as expected/),
    })
  })

  test('diff --stat and --json', async () => {
    expect((await place.vtick('diff three.vtrace five.vtrace --stat')).out).toMatch(/^exits +A +B\n/)
    expect(JSON.parse((await place.vtick('diff three.vtrace five.vtrace --by all --tol cycles=9 --json')).out)).toMatchObject({
      version: 1,
      by: 'all',
      tolerance: 9,
      equal: false,
    })
  })

  test('info tells what a trace holds', async () => {
    const { out } = await place.vtick('info echo.vtrace')
    expect(out).toContain(
      'under KVM: apic_timer_virt=1 enable_apicv=1 enable_shadow_vmcs=1 halt_poll_ns=200000 lapic_timer_advance=1 nested=1 nested_apic_timer_virt=1 preemption_timer=1',
    )
    expect(out).toContain('uart "hello there\\n"')
    expect(JSON.parse((await place.vtick('info echo.vtrace --json')).out)).toMatchObject({
      version: 1,
      mode: 'kvm',
      memory_mib: 32,
      end: { reason: 'exit-port', status: 0 },
    })
  })

  test('a trace comes from stdin too', async () => {
    expect((await place.vtick('stat -', { stdin: read('five.vtrace') })).out).toBe((await place.vtick('stat five.vtrace')).out)
  })
})

describe('query', () => {
  test('lists the events that a filter lets through, and says 1 when there are none', async () => {
    const { code, out } = await place.vtick(['query', 'three.vtrace', 'exit and reason == CPUID'])
    expect({ code, lines: out.trimEnd().split('\n').length }).toEqual({ code: 0, lines: 3 })
    expect(out).toMatch(/^#\d+ \d+ cpu0 L1 kvm_exit: vcpu 0 reason CPUID /)
    expect(await place.vtick(['query', 'three.vtrace', 'shutdown'])).toMatchObject({ code: 1, out: '', err: 'vtick: no event matches\n' })
  })

  test('counts, shows columns, and prints JSON with 64-bit values in hexadecimal', async () => {
    expect(await place.vtick(['query', 'five.vtrace', 'exit(CPUID)', '--count'])).toMatchObject({ code: 0, out: '5\n' })
    const { out } = await place.vtick(['query', 'five.vtrace', 'exit(CPUID)', '--first', '--table', 'event,level,reason'])
    expect(out).toMatch(/^event +level +reason\n#\d+ +1 +CPUID\n$/)
    const json = JSON.parse((await place.vtick(['query', 'five.vtrace', 'exit(CPUID)', '--first', '--json'])).out)
    expect(json).toMatchObject({ version: 1, events: [{ kind: 'kvm_exit', level: 1, rip: expect.stringMatching(/^0x10[0-9a-f]{4}$/) }] })
  })

  test('points at what is wrong in a filter', async () => {
    const { code, err } = await place.vtick(['query', 'five.vtrace', 'exit and raeson == 3'])
    expect({ code, err }).toEqual({
      code: 2,
      err: 'vtick: no event has a field `raeson` in `exit and raeson == 3` at column 10; did you mean `reason`?\n',
    })
  })
})

describe('export and import', () => {
  test('ftrace text that is imported again has the same exits as the trace', async () => {
    const text = (await place.vtick('export five.vtrace --ftrace')).out
    expect(text).toContain(': kvm_exit: vcpu 0 reason CPUID rip 0x')
    place.write('five.txt', text)
    const { code, err } = await place.vtick('import five.txt -o imported.vtrace')
    expect({ code, err: err.replace(/\d+ events/, 'N events') }).toEqual({
      code: 0,
      err: 'vtick: imported N events to imported.vtrace; `vtick diff imported.vtrace OTHER --by exits` compares\n',
    })
    expect((await place.vtick('diff five.vtrace imported.vtrace --expect same-exits')).code).toBe(0)
    expect((await place.vtick('diff three.vtrace imported.vtrace --expect same-exits')).code).toBe(1)
    expect(await place.vtick('replay imported.vtrace')).toMatchObject({
      code: 2,
      err: 'vtick: imported.vtrace was imported and holds no program; `vtick query` and `vtick diff` read it\n',
    })
  })

  test('JSON lines hold every event, and Perfetto gets one JSON text', async () => {
    const lines = (await place.vtick('export five.vtrace --jsonl')).out.trimEnd().split('\n')
    const events = lines.map(line => JSON.parse(line))
    expect(events.map(({ event }) => event)).toEqual(events.map((_, index) => index))
    expect(events.at(-1)).toMatchObject({ kind: 'end', reason: 'exit-port' })
    const perfetto = JSON.parse((await place.vtick('export five.vtrace --perfetto')).out)
    expect(perfetto.traceEvents[0]).toMatchObject({ ph: 'M', name: 'process_name' })
  })

  test('say what is missing', async () => {
    expect(await place.vtick('export five.vtrace')).toMatchObject({
      code: 2,
      err: 'vtick: one format is wanted; add --ftrace, --perfetto or --jsonl\n',
    })
    place.write('empty.txt', 'nothing here\n')
    expect(await place.vtick('import empty.txt')).toMatchObject({ code: 2, err: expect.stringContaining('holds no event of KVM') })
  })
})

test.skipIf(!existsSync('/dev/full'))('a what-if on a disk that is full ends with one line that says so', async () => {
  expect(await place.vtick('replay echo.vtrace --param apic_timer_virt=0 -o /dev/full')).toMatchObject({
    code: 2,
    err: 'vtick: cannot write /dev/full: no space left on the device; make room there, or name another place\n',
  })
})
