/** `vtick dump-vmcs` against the formats that Linux prints with (`arch/x86/kvm/vmx/vmx.c`, `dump_vmcs`), and the values of a known run. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Directory, ROOT } from './vtick.ts'

const place = new Directory({
  'on.vtrace': readFileSync(join(ROOT, 'traces/deadline-busy-on.vtrace')),
  'off.vtrace': readFileSync(join(ROOT, 'traces/deadline-busy-off.vtrace')),
})
afterAll(() => place.remove())

/** The kernel's formats, in its order, of a guest with APIC virtualization. */
const FORMATS = `VMCS %016lx, last attempted VM-entry on CPU %d
*** Guest State ***
CR0: actual=0x%016lx, shadow=0x%016lx, gh_mask=%016lx
CR4: actual=0x%016lx, shadow=0x%016lx, gh_mask=%016lx
CR3 = 0x%016lx
PDPTR0 = 0x%016lx  PDPTR1 = 0x%016lx
PDPTR2 = 0x%016lx  PDPTR3 = 0x%016lx
RSP = 0x%016lx  RIP = 0x%016lx
RFLAGS=0x%08lx         DR7 = 0x%016lx
Sysenter RSP=%016lx CS:RIP=%04x:%016lx
CS:   sel=0x%04x, attr=0x%05x, limit=0x%08x, base=0x%016lx
DS:   sel=0x%04x, attr=0x%05x, limit=0x%08x, base=0x%016lx
SS:   sel=0x%04x, attr=0x%05x, limit=0x%08x, base=0x%016lx
ES:   sel=0x%04x, attr=0x%05x, limit=0x%08x, base=0x%016lx
FS:   sel=0x%04x, attr=0x%05x, limit=0x%08x, base=0x%016lx
GS:   sel=0x%04x, attr=0x%05x, limit=0x%08x, base=0x%016lx
GDTR:                           limit=0x%08x, base=0x%016lx
LDTR: sel=0x%04x, attr=0x%05x, limit=0x%08x, base=0x%016lx
IDTR:                           limit=0x%08x, base=0x%016lx
TR:   sel=0x%04x, attr=0x%05x, limit=0x%08x, base=0x%016lx
EFER= 0x%016lx
PAT = 0x%016lx
DebugCtl = 0x%016lx  DebugExceptions = 0x%016lx
Interruptibility = %08x  ActivityState = %08x
InterruptStatus = %04x
*** Host State ***
RIP = 0x%016lx  RSP = 0x%016lx
CS=%04x SS=%04x DS=%04x ES=%04x FS=%04x GS=%04x TR=%04x
FSBase=%016lx GSBase=%016lx TRBase=%016lx
GDTBase=%016lx IDTBase=%016lx
CR0=%016lx CR3=%016lx CR4=%016lx
Sysenter RSP=%016lx CS:RIP=%04x:%016lx
EFER= 0x%016lx
PAT = 0x%016lx
*** Control State ***
CPUBased=0x%08x SecondaryExec=0x%08x TertiaryExec=0x%016lx
PinBased=0x%08x EntryControls=%08x ExitControls=%08x
ExceptionBitmap=%08x PFECmask=%08x PFECmatch=%08x
VMEntry: intr_info=%08x errcode=%08x ilen=%08x
VMExit: intr_info=%08x errcode=%08x ilen=%08x
        reason=%08x qualification=%016lx
IDTVectoring: info=%08x errcode=%08x
TSC Offset = 0x%016lx
SVI|RVI = %02x|%02x TPR Threshold = 0x%02x
virt-APIC addr = 0x%016lx
EPT pointer = 0x%016lx
Virtual processor ID = 0x%04x`.split('\n')

const TIMER_LINES = ['DEADLINE_PHY = 0x%016lx', 'DEADLINE_VIR = 0x%016lx', 'APIC_TIMER_VECTOR = 0x%04x'].map(line => `GUEST_${line}`)

const patternOf = (format: string): RegExp =>
  new RegExp(
    `^${format.replace(/[*|]/g, '\\$&').replace(/%(?:0(\d+)l?x|d)/g, (_, digits) => (digits ? `[0-9a-f]{${Number(digits)}}` : '\\d+'))}$`,
  )

function expectLayout(text: string, formats: readonly string[]): void {
  const lines = text.trimEnd().split('\n')
  for (const [index, format] of formats.entries()) expect(lines[index]).toMatch(patternOf(format))
  expect(lines).toHaveLength(formats.length)
}

test('prints what dump_vmcs prints, and the three lines of the series', async () => {
  const { code, out } = await place.vtick(['dump-vmcs', 'on.vtrace', '50%'])
  expect(code).toBe(0)
  expectLayout(out, [...FORMATS, ...TIMER_LINES])
  expect(out).toContain('GUEST_APIC_TIMER_VECTOR = 0x00ec')
})

test('without APIC-timer virtualization in use the three lines are absent', async () => {
  const { out } = await place.vtick(['dump-vmcs', 'off.vtrace', '50%'])
  expectLayout(out, FORMATS)
})

test('the end of the trace is where it stands without a position, and a position outside is a usage error', async () => {
  const [end, named] = [await place.vtick('dump-vmcs on.vtrace'), await place.vtick('dump-vmcs on.vtrace @end')]
  expect(end.out).toBe(named.out)
  const outside = await place.vtick('dump-vmcs on.vtrace #99999999')
  expect([outside.code, outside.err.trimEnd().split('\n').length]).toEqual([2, 1])
})
