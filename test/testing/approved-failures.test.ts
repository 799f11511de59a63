/** What a failing guest test says, one for each kind of directive, against texts that were read and approved. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openGuestTest } from '../../src/testing/guest-test.ts'

const folder = mkdtempSync(join(tmpdir(), 'vtick-approved-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** What `expect(text).toMatchSnapshot()` throws. */
const keptOtherwise = (text: string): void => {
  throw Object.assign(new Error('mismatched'), { expected: text.replace(/CPUID +\d+/, 'CPUID  7') })
}

/** One tick of the timer, taken out of HLT. */
const TICK = [
  '%include "guest.inc"',
  '        set_gate 0xec, on_timer',
  '        load_idt',
  '        x2apic_enable',
  '        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | 0xec',
  '        read_tsc',
  '        add     rax, 20000',
  '        write_msr64 MSR_IA32_TSC_DEADLINE, rax  {arm}',
  '        sti',
  '        hlt                             {hlt}',
  '        cli',
  '        mov     eax, 2',
  '        add     eax, 2                  {add}',
  '        cpuid                           {cpuid}',
  '        print   "one tick"',
  '        newline',
  '        exit    {status}',
  'on_timer:',
  '        push    rax',
  '        push    rcx',
  '        push    rdx',
  '        eoi',
  '        pop     rdx',
  '        pop     rcx',
  '        pop     rax',
  '        iretq',
  '%include "lib.inc"',
]

/** The message of a failing test; `behind` is what stands behind the instructions of `TICK`. */
function messageOf(directives: readonly string[], behind: Readonly<Record<string, string>>, cell = 0): string {
  const path = join(folder, 'tick.guest.asm')
  const code = TICK.map(line => line.replace(/\{(\w+)\}/, (_, name: string) => behind[name] ?? (name === 'status' ? '0' : '')).trimEnd())
  writeFileSync(path, `${[';! test    "t"', ...directives, ...code].join('\n')}\n`)
  try {
    openGuestTest({ path, root: folder, errorAt: () => Error, golden: keptOtherwise }).run(cell)
  } catch (error) {
    return (error as Error).message
  }
  return 'it passes'
}

/** Without what follows from costs, from addresses, and from how often the boot and the console exit. */
const steady = (text: string): string =>
  text
    .replace(/#\d+/g, '#N')
    .replace(/0x[\da-f_]{4,}/g, '0x..')
    .replace(/expires \d+/g, 'expires N')
    .replace(/\d[\d ]* (cycles|instructions|exits in all|VM exits)/g, 'N $1')
    .replace(/'i:\d+'/g, "'i:N'")
    .replace(/state [\da-f]+/g, 'state ..')

const OFF_AND_ON = ';! matrix  apic_timer_virt = 0, 1'
const ON = 1

const FAILURES: readonly (readonly [title: string, message: () => string])[] = [
  ['expect exits ==', () => messageOf([';! expect  exits(CPUID) == 0'], {})],
  ['expect exits of an MSR', () => messageOf([OFF_AND_ON, ';! expect  exits(MSR_WRITE, 0x6e0) == 0'], {})],
  ['expect irq ==', () => messageOf([';! expect  irq(0xec) == 2'], {})],
  ['expect irq in', () => messageOf([OFF_AND_ON, ';! expect  irq(0xec) in deadline .. deadline+64cyc'], {}, ON)],
  ['expect irq in, never delivered', () => messageOf([';! expect  irq(0xed) in arm .. arm+10us'], {})],
  ['expect order', () => messageOf([';! expect  order: arm, irq(0xec), HLT'], {}, 0)],
  ['never exit', () => messageOf([';! never   exit(CPUID)'], {})],
  ['never irq twice', () => messageOf([';! never   exit(MSR_WRITE) twice'], {})],
  ['budget', () => messageOf([';! budget  exits<=5'], {})],
  ['prints', () => messageOf([';! prints  "two ticks"'], {})],
  ['same arch', () => messageOf([OFF_AND_ON, ';! same    exits as apic_timer_virt=0'], {}, ON)],
  ['golden exits', () => messageOf([';! golden  exits'], {})],
  ['no-exit at a line', () => messageOf([OFF_AND_ON], { arm: ';= no-exit' })],
  ['exit at a line', () => messageOf([OFF_AND_ON], { arm: ';= exit MSR_WRITE' }, ON)],
  ['wakes at a line', () => messageOf([], { hlt: ';= wakes irq 0xed' })],
  ['a register at a line', () => messageOf([], { add: ';= eax=5' })],
  ['a flag at a line', () => messageOf([], { add: ';= ZF=1' })],
  ['the status', () => messageOf([], { status: '3' })],
  ['a matrix with a wrong word', () => messageOf([';! matrix  apic_timer_vrit = 0, 1'], {})],
]

test('each kind of directive fails in the approved words', async () => {
  const text = FAILURES.map(([title, message]) => `== ${title}\n${steady(message())}\n`).join('\n')
  await expect(text).toMatchFileSnapshot('failures.approved.txt')
})
