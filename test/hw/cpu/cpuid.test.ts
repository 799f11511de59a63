/** CPUID leaves and MSRs as programs read them (Intel SDM, "CPUID—CPU Identification"; "Architectural MSRs"). */

import { describe, expect, test } from 'vitest'
import { type CpuidContext, cpuid } from '../../../src/hw/cpu/cpuid.ts'
import { createMachine, type MachineOptions, resolveConfig } from '../../../src/hw/machine.ts'
import {
  CPU_FEATURES,
  CPU_MODELS,
  type CpuModelName,
  DEFAULT_CPU_FEATURES,
  featureNamed,
  signatureOf,
} from '../../../src/spec/cpu-models.ts'
import { CPUID_FEATURES } from '../../../src/spec/cpuid.ts'
import { runBare } from '../bare.ts'

const AT_BOOT: CpuidContext = { apicId: 0, apicEnabled: true, monitorEnabled: true, osxsave: false, xcr0: 1n }
const leaf = (number: number, subleaf = 0, options: MachineOptions = {}, context: Partial<CpuidContext> = {}) =>
  cpuid(resolveConfig(options), number, subleaf, { ...AT_BOOT, ...context })

const text = (...words: readonly number[]): string => {
  const bytes = Buffer.alloc(4 * words.length)
  for (const [index, word] of words.entries()) bytes.writeUInt32LE(word, 4 * index)
  return bytes.toString('latin1').replace(/\0.*$/, '')
}

describe('CPUID', () => {
  test('leaf 0 is GenuineIntel, and its highest leaf is 1BH', () => {
    const { eax, ebx, ecx, edx } = leaf(0)
    expect([eax, text(ebx, edx, ecx)]).toEqual([0x1b, 'GenuineIntel'])
  })
  test('each feature sets its bit and no other', () => {
    for (const feature of CPU_FEATURES) {
      const row = CPUID_FEATURES.find(({ name }) => name === feature)
      if (row === undefined) continue
      const { leaf: number, subleaf, register, bit } = row
      const alone = leaf(number, subleaf, { features: DEFAULT_CPU_FEATURES.filter(name => name !== feature) })[register]
      const present = leaf(number, subleaf, { features: [...new Set([...DEFAULT_CPU_FEATURES, feature])] })[register]
      expect([feature, (present >>> bit) & 1, (alone >>> bit) & 1]).toEqual([feature, 1, 0])
    }
  })
  test('what programs enable shows: OSXSAVE by CR4, the APIC by IA32_APIC_BASE, the size of the XSAVE area by XCR0', () => {
    expect(leaf(1).ecx & (1 << 27)).toBe(0)
    expect(leaf(1, 0, {}, { osxsave: true }).ecx & (1 << 27)).not.toBe(0)
    expect(leaf(1, 0, {}, { apicEnabled: false }).edx & (1 << 9)).toBe(0)
    const features = [...DEFAULT_CPU_FEATURES, 'avx'] as const
    expect(leaf(0xd, 0, { features }, { xcr0: 7n })).toEqual({ eax: 7, ebx: 832, ecx: 832, edx: 0 })
    expect(leaf(0xd, 0, { features }, { xcr0: 3n }).ebx).toBe(576)
    expect(leaf(0xd, 2, { features })).toEqual({ eax: 256, ebx: 576, ecx: 0, edx: 0 })
  })
  test('leaf 0AH has version 0: no performance counters', () => {
    expect(leaf(0xa)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0 })
  })
  test('leaf 0BH gives the x2APIC ID in every sub-leaf, and ends with a level of type 0', () => {
    expect([0, 1, 2].map(subleaf => leaf(0xb, subleaf, {}, { apicId: 3 }).edx)).toEqual([3, 3, 3])
    expect([0, 1, 2].map(subleaf => (leaf(0xb, subleaf).ecx >> 8) & 0xff)).toEqual([1, 2, 0])
  })
  test('leaf 15H gives the frequency of the TSC: crystal * EBX / EAX', () => {
    const { eax, ebx, ecx } = leaf(0x15)
    expect((ecx * ebx) / eax).toBe(2_000_000_000)
    expect(leaf(0x16).eax).toBe(2000)
  })
  test('a basic leaf beyond the highest gives what the highest gives', () => {
    expect(leaf(0x1c)).toEqual(leaf(0x1b))
    expect(leaf(0x4000_0000)).toEqual(leaf(0x1b))
  })
  test('leaf 4 ends with a cache of type 0, and lines are of 64 bytes as leaf 1 says', () => {
    expect([0, 1, 2, 3].map(subleaf => leaf(4, subleaf).eax & 31)).toEqual([1, 2, 3, 0])
    expect((leaf(4, 0).ebx & 0xfff) + 1).toBe(((leaf(1).ebx >> 8) & 0xff) * 8)
  })
})

describe('the CPU models', () => {
  test.each(Object.keys(CPU_MODELS) as CpuModelName[])('%s tells its family, model, stepping and brand', name => {
    const model = CPU_MODELS[name]
    const { eax } = leaf(1, 0, { model: name })
    expect([(eax >> 8) & 15, ((eax >> 12) & 0xf0) | ((eax >> 4) & 15), eax & 15]).toEqual([model.family, model.model, model.stepping])
    const brand = [2, 3, 4].flatMap(part => Object.values(leaf(0x8000_0000 + part, 0, { model: name })))
    expect(text(...brand)).toBe(model.brand)
  })
  test('Sapphire Rapids has no APIC-timer virtualization, Clearwater Forest has it', () => {
    expect(CPU_MODELS.SapphireRapids.features).not.toContain('apic-timer-virt')
    expect(CPU_MODELS.ClearwaterForest.features).toContain('apic-timer-virt')
  })
  test('a family above 15 spills into the extended one', () => {
    expect(signatureOf({ family: 0x19, model: 0x01, stepping: 1 })).toBe(0x00a0_0f11)
  })
  test('features are spelt as QEMU does, with an underscore for a hyphen if one likes', () => {
    expect([featureNamed('tsc_adjust'), featureNamed('tsc-adjust'), featureNamed('tscadjust')]).toEqual([
      'tsc-adjust',
      'tsc-adjust',
      undefined,
    ])
  })
  test('a machine knows its features', () => {
    expect(createMachine(resolveConfig({ memoryMiB: 2, features: ['fpu', 'tsc'] })).config.features).toEqual(['fpu', 'tsc'])
  })
})

const RSI = 6
const readsAs = (name: string, options: MachineOptions = {}): bigint =>
  runBare(`mov ecx, ${name}\nrdmsr\nshl rdx, 32\nlea rsi, [rax + rdx]`, options).gpr(RSI)
const faults = (body: string, options: MachineOptions = {}): boolean =>
  runBare(body, options).events.some(({ kind }) => kind === 'shutdown')
const write = (name: string, high: number, low: number): string => `mov ecx, ${name}\nmov eax, ${low}\nmov edx, ${high}\nwrmsr`

describe('MSRs', () => {
  test('at boot hold what firmware leaves', () => {
    expect(readsAs('MSR_MTRRcap')).toBe(0x508n)
    expect(readsAs('MSR_MTRRdefType')).toBe(0xc06n)
    expect(readsAs('MSR_IA32_CR_PAT')).toBe(0x0007_0406_0007_0406n)
    expect(readsAs('MSR_IA32_MISC_ENABLE')).toBe(0x4_1801n) // bit 18: MONITOR and MWAIT
    expect(readsAs('MSR_IA32_UCODE_REV')).toBe(1n << 32n)
    expect(readsAs('MSR_IA32_MCG_CAP')).toBe(0n)
    expect(readsAs('MSR_PLATFORM_INFO')).toBe(20n << 8n)
  })
  test.each([
    ['an MTRR of a type that does not exist', write('MSR_MTRRphysBase0', 0, 2)],
    ['an MTRR beyond the physical addresses', write('MSR_MTRRphysBase0', 1 << 20, 6)],
    ['a reserved bit of the default type', write('MSR_MTRRdefType', 0, 0x106)],
    ['a PAT of a type that does not exist', write('MSR_IA32_CR_PAT', 0, 2)],
    ['a read-only MSR', write('MSR_MTRRcap', 0, 0)],
    ['a non-canonical LSTAR', write('MSR_LSTAR', 1 << 30, 0)],
    ['IA32_XSS with a component that the CPU lacks', write('MSR_IA32_XSS', 0, 0x100)],
    ['an MSR that does not exist', 'mov ecx, 0x12345\nrdmsr'],
  ])('%s is #GP', (_what, body) => expect(faults(body)).toBe(true))
  test('a variable range is kept', () => {
    const run = runBare(`${write('MSR_MTRRphysMask7', 0x3fff, 0xc000_0800)}\nrdmsr\nshl rdx, 32\nlea rsi, [rax + rdx]`)
    expect(run.gpr(RSI)).toBe(0x3fff_c000_0800n)
  })
  test('IA32_MPERF and IA32_APERF count alike, from what software wrote', () => {
    const run = runBare(
      `${write('MSR_IA32_MPERF', 0, 0)}\n${write('MSR_IA32_APERF', 0, 0)}\nmov ecx, 100\n.spin: loop .spin\nread_msr MSR_IA32_APERF\nmov rsi, rax`,
    )
    expect(run.gpr(RSI)).toBeGreaterThan(0n)
    expect(run.gpr(RSI)).toBeLessThan(10_000n)
  })
  test('without its feature an MSR does not exist', () => {
    const features = DEFAULT_CPU_FEATURES.filter(name => name !== 'mtrr')
    expect(faults('mov ecx, MSR_MTRRcap\nrdmsr', { features })).toBe(true)
  })
})
