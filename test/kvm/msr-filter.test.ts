/** KVM_X86_SET_MSR_FILTER and KVM_CAP_X86_USER_SPACE_MSR (Linux `Documentation/virt/kvm/api.rst`), and what the guest timer makes of them. */

import { describe, expect, test } from 'vitest'
import type { MsrDirection, MsrFilter } from '../../src/kvm/msr-filter.ts'
import { MSRS } from '../../src/spec/msrs.ts'
import { errnoOf, run, started } from './rig.ts'
import { userSpace } from './user-space.ts'

const BOTH: readonly MsrDirection[] = ['read', 'write']
const DEADLINE = MSRS.MSR_IA32_TSC_DEADLINE.index
const KERNEL_GS_BASE = MSRS.MSR_KERNEL_GS_BASE.index
const PAT = MSRS.MSR_IA32_CR_PAT.index

/** Denies one MSR and allows the others. */
const without = (index: number, directions = BOTH): MsrFilter => ({
  otherwise: 'allow',
  ranges: [{ directions, base: index, count: 1, bitmap: Uint8Array.of(0) }],
})
const NOTHING: MsrFilter = { otherwise: 'allow', ranges: [] }

/** R9 is 13 if the guest got #GP. */
const GUARDED = 'set_gate 13, handler\nload_idt\njmp start\nhandler: mov r9d, 13\nexit 0\nstart:\n'

describe('misuse', () => {
  const { vm } = userSpace('nop').vmm
  const range = (count: number, bytes: number) => ({ directions: BOTH, base: 0, count, bitmap: new Uint8Array(bytes) })
  test.each<[string, MsrFilter, string]>([
    ['more than 16 ranges', { otherwise: 'allow', ranges: Array.from({ length: 17 }, () => range(1, 1)) }, 'EINVAL'],
    ['a bitmap of more than 0x600 bytes', { otherwise: 'allow', ranges: [range(8 * 0x601, 0x601)] }, 'EINVAL'],
    ['fewer bits than MSRs', { otherwise: 'allow', ranges: [range(9, 1)] }, 'EINVAL'],
    ['denying by default with empty ranges', { otherwise: 'deny', ranges: [range(0, 0)] }, 'EINVAL'],
    ['16 ranges', { otherwise: 'deny', ranges: Array.from({ length: 16 }, () => range(8, 1)) }, 'none'],
    ['no range', NOTHING, 'none'],
  ])('%s: %s', (_title, filter, errno) => {
    expect(errnoOf(() => vm.setMsrFilter(filter))).toBe(errno)
  })
})

describe('an access that the filter denies', () => {
  const READ = `${GUARDED}mov ecx, ${PAT}\nrdmsr\nmov r8d, eax\nmov r10d, edx`
  const WRITE = `${GUARDED}mov eax, 0x11223344\nmov edx, 0x55667788\nmov ecx, ${PAT}\nwrmsr\nmov r8d, 1`

  test('is #GP for the guest', () => {
    const { vmm, gpr, finish } = userSpace(READ)
    vmm.vm.setMsrFilter(without(PAT))
    finish()
    expect([gpr(8), gpr(9)]).toEqual([0n, 13n])
  })
  test('goes to user space that asked for it, which gives RDMSR its value', () => {
    const { vmm, gpr, run: runVcpu, finish } = userSpace(READ)
    vmm.vm.setMsrFilter(without(PAT))
    vmm.vm.enableUserSpaceMsr(['filter'])
    expect(runVcpu()).toEqual({ reason: 'KVM_EXIT_X86_RDMSR', why: 'filter', index: PAT, data: 0n })
    vmm.vcpu.resume(0x1122_3344_5566_7788n)
    finish()
    expect([gpr(8), gpr(10), gpr(9)]).toEqual([0x5566_7788n, 0x1122_3344n, 0n])
  })
  test('is #GP after all when user space says so', () => {
    const { vmm, gpr, run: runVcpu, finish } = userSpace(READ)
    vmm.vm.setMsrFilter(without(PAT))
    vmm.vm.enableUserSpaceMsr(['filter'])
    runVcpu()
    vmm.vcpu.resume('error')
    finish()
    expect(gpr(9)).toBe(13n)
  })
  test('WRMSR brings its value, and is done when user space has answered', () => {
    const { vmm, gpr, run: runVcpu, finish } = userSpace(WRITE)
    vmm.vm.setMsrFilter(without(PAT))
    vmm.vm.enableUserSpaceMsr(['filter'])
    expect(runVcpu()).toEqual({ reason: 'KVM_EXIT_X86_WRMSR', why: 'filter', index: PAT, data: 0x5566_7788_1122_3344n })
    vmm.vcpu.resume()
    finish()
    expect([gpr(8), gpr(9)]).toEqual([1n, 0n])
  })
  test('leaves the other direction alone', () => {
    const { vmm, gpr, finish } = userSpace(READ)
    vmm.vm.setMsrFilter(without(PAT, ['write']))
    finish()
    expect([gpr(8), gpr(9)]).toEqual([0x0007_0406n, 0n])
  })
  test('is none of user space’s own', () => {
    const { vmm } = userSpace('nop')
    vmm.vm.setMsrFilter(without(PAT))
    expect(vmm.vcpu.getMsrs([PAT])).toHaveLength(1)
    expect(vmm.vcpu.setMsrs([{ index: PAT, data: 0n }])).toBe(1)
  })
})

test('an answer that is an error fits an MSR only', () => {
  const { vmm, run: runVcpu } = userSpace('mov dx, 0x3f8\nmov al, 1\nout dx, al')
  expect(runVcpu()).toMatchObject({ reason: 'KVM_EXIT_IO' })
  expect(errnoOf(() => vmm.vcpu.resume('error'))).toBe('EINVAL')
})

describe('failures that no filter makes', () => {
  test.each<[string, string, 'unknown' | 'invalid', number]>([
    ['an MSR that KVM does not have', 'mov ecx, 0x12345\nrdmsr', 'unknown', 0x12345],
    ['a value that the MSR cannot hold', `write_msr ${PAT}, 2`, 'invalid', PAT],
    ['an x2APIC register in xAPIC mode', 'mov ecx, 0x802\nrdmsr', 'invalid', 0x802],
    ['a capability MSR, which is read-only', 'write_msr 0x480, 0', 'invalid', 0x480],
  ])('%s', (_title, access, why, index) => {
    const asked = userSpace(GUARDED + access)
    asked.vmm.vm.enableUserSpaceMsr([why])
    expect(asked.run()).toMatchObject({ why, index })
    const notAsked = userSpace(GUARDED + access)
    notAsked.vmm.vm.enableUserSpaceMsr(why === 'unknown' ? ['invalid', 'filter'] : ['unknown', 'filter'])
    notAsked.finish()
    expect(notAsked.gpr(9)).toBe(13n)
  })
})

test('x2APIC registers are always allowed', () => {
  const { vmm, gpr, finish } = userSpace(`${GUARDED}x2apic_enable\nmov ecx, 0x803\nrdmsr\nmov r8d, eax`)
  const all = { directions: BOTH, base: 0x800, count: 0x100, bitmap: new Uint8Array(0x20) }
  vmm.vm.setMsrFilter({ otherwise: 'allow', ranges: [all] })
  finish()
  expect([gpr(8), gpr(9)]).toEqual([0x0005_0014n, 0n])
})

test('the first range that an access falls into decides, and then the default', () => {
  const { vmm, gpr, run: runVcpu } = userSpace(`${GUARDED}mov ecx, ${PAT}\nrdmsr\nmov r8d, eax\nmov ecx, 0x1a0\nrdmsr`)
  const allowed = { directions: BOTH, base: PAT, count: 1, bitmap: Uint8Array.of(1) }
  const denied = { directions: BOTH, base: PAT - 1, count: 2, bitmap: Uint8Array.of(0) }
  vmm.vm.setMsrFilter({ otherwise: 'deny', ranges: [allowed, denied] })
  vmm.vm.enableUserSpaceMsr(['filter'])
  expect(runVcpu()).toMatchObject({ index: 0x1a0, why: 'filter' })
  expect(gpr(8)).toBe(0x0007_0406n)
})

describe('an MSR that the guest reaches without an exit', () => {
  const body = `mov ecx, ${KERNEL_GS_BASE}\nrdmsr\nout 0x80, al\nrdmsr\nout 0x80, al\nrdmsr`
  const reads = ({ events }: ReturnType<typeof userSpace>): number =>
    events.filter(event => event.kind === 'kvm_exit' && event.reason === 31).length
  test('exits while the filter denies it, and no more when that is taken back', () => {
    const user = userSpace(body)
    user.run() // the first write to port 0x80
    expect(reads(user)).toBe(0)
    user.vmm.vcpu.resume()
    user.vmm.vm.setMsrFilter(without(KERNEL_GS_BASE))
    user.vmm.vm.enableUserSpaceMsr(['filter'])
    expect(user.run()).toMatchObject({ reason: 'KVM_EXIT_X86_RDMSR', index: KERNEL_GS_BASE })
    user.vmm.vcpu.resume(0n)
    user.vmm.vm.setMsrFilter(NOTHING)
    user.finish()
    expect(reads(user)).toBe(1)
  })
})

describe('IA32_TSC_DEADLINE', () => {
  const ARMS = `${GUARDED}x2apic_enable
write_msr MSR_IA32_X2APIC_LVT_TIMER, 0x400ec
mov ecx, ${DEADLINE}
mov eax, -1
mov edx, 0x7fffffff
wrmsr
out 0x80, al
rdmsr
out 0x80, al
rdmsr
mov r8d, edx`
  test('is the guest timer’s only as far as the filter lets it, and again afterwards', () => {
    const user = userSpace(ARMS)
    user.run()
    const writes = user.events.filter(event => event.kind === 'kvm_msr' && event.index === DEADLINE)
    expect(writes).toEqual([])
    user.vmm.vcpu.resume()
    user.vmm.vm.setMsrFilter(without(DEADLINE))
    user.vmm.vm.enableUserSpaceMsr(['filter'])
    expect(user.run()).toMatchObject({ reason: 'KVM_EXIT_X86_RDMSR', why: 'filter', index: DEADLINE })
    user.vmm.vcpu.resume(0n)
    user.vmm.vm.setMsrFilter(NOTHING)
    user.finish()
    expect(user.gpr(8)).toBe(0x7fff_ffffn)
    expect(user.gpr(9)).toBe(0n)
  })
  // The series' patch 12 asks vmcs12 and L1's bitmap alone.
  test('of an L2 that has the guest timer does not ask the filter', () => {
    const guest = started('asm/apic-timer-nested-groups.asm')
    guest.vmm!.vm.setMsrFilter(without(DEADLINE))
    const { console } = run(guest)
    expect(console).toContain('PASS')
    expect(console).not.toContain('FAIL')
  })
})
