/**
 * The CPUID that a guest sees (KVM_SET_CPUID2): the processor's own leaves less what KVM does not pass on, with the hypervisor bit
 * and KVM's signature.
 */

import type { RootCpu } from '../hw/root-cpu.ts'
import { APIC_BITS } from '../spec/apic-registers.ts'
import { HIDDEN_BY_KVM } from '../spec/cpu-models.ts'
import { type CpuidFeatureName, cpuidFeature, KVM_SIGNATURE } from '../spec/cpuid.ts'
import { CR4 } from '../spec/cr-bits.ts'
import type { Context } from './context.ts'

export interface CpuidEntry {
  leaf: number
  subleaf: number
  /** Whether ECX selects this entry. */
  indexed: boolean
  eax: number
  ebx: number
  ecx: number
  edx: number
}

/** Leaves that are passed on, and how many subleaves of each. */
const LEAVES: readonly (readonly [leaf: number, subleaves: number])[] = [
  [0, 0],
  [1, 0],
  [2, 0],
  [4, 4],
  [6, 0],
  [7, 2],
  [0xa, 0],
  [0xb, 2],
  [0xd, 3],
  [0x15, 0],
  [0x16, 0],
  [0x1b, 0],
  [0x8000_0000, 0],
  [0x8000_0001, 0],
  [0x8000_0002, 0],
  [0x8000_0003, 0],
  [0x8000_0004, 0],
  [0x8000_0006, 0],
  [0x8000_0007, 0],
  [0x8000_0008, 0],
]

const SIGNATURE: CpuidEntry = { ...KVM_SIGNATURE, subleaf: 0, indexed: false }
/** No paravirtual feature. */
const FEATURES: CpuidEntry = { leaf: 0x4000_0001, subleaf: 0, indexed: false, eax: 0, ebx: 0, ecx: 0, edx: 0 }

/** OSXSAVE follows the guest's CR4: `runtimeCpuid`. */
const HIDDEN: readonly CpuidFeatureName[] = [...HIDDEN_BY_KVM, 'osxsave']
/** Of leaf 06H KVM passes on the always-running timer alone. */
const ARAT = 1 << 2

function setFeature(entries: readonly CpuidEntry[], name: CpuidFeatureName, value: boolean): void {
  const row = cpuidFeature(name)
  const entry = entries.find(({ leaf, subleaf }) => leaf === row.leaf && subleaf === row.subleaf)
  if (entry === undefined) return
  const mask = 1 << row.bit
  entry[row.register] = (value ? entry[row.register] | mask : entry[row.register] & ~mask) >>> 0
}

export const hasFeature = (entries: readonly CpuidEntry[], name: CpuidFeatureName): boolean => {
  const row = cpuidFeature(name)
  const entry = entries.find(({ leaf, subleaf }) => leaf === row.leaf && subleaf === row.subleaf)
  return entry !== undefined && ((entry[row.register] >>> row.bit) & 1) === 1
}

/** KVM_GET_SUPPORTED_CPUID. */
export function supportedCpuid(cpu: RootCpu, nested: boolean): CpuidEntry[] {
  const entries = LEAVES.flatMap(([leaf, subleaves]) =>
    Array.from(
      { length: Math.max(1, subleaves) },
      (_, subleaf): CpuidEntry => ({ leaf, subleaf, indexed: subleaves > 0, ...cpu.cpuid(leaf, subleaf) }),
    ),
  )
  entries.push({ ...SIGNATURE }, { ...FEATURES })
  const thermal = entries.find(({ leaf }) => leaf === 6)
  if (thermal !== undefined) Object.assign(thermal, { eax: thermal.eax & ARAT, ebx: 0, ecx: 0, edx: 0 })
  for (const name of HIDDEN) setFeature(entries, name, false)
  if (!nested) setFeature(entries, 'vmx', false)
  setFeature(entries, 'hypervisor', true)
  return entries
}

/** What the guest's CPUID gives; an unknown basic leaf answers as the highest one does. */
export function lookupCpuid(
  entries: readonly CpuidEntry[],
  leaf: number,
  subleaf: number,
): Omit<CpuidEntry, 'leaf' | 'subleaf' | 'indexed'> {
  const exact = (wanted: number) => entries.find(entry => entry.leaf === wanted && (!entry.indexed || entry.subleaf === subleaf))
  const found = exact(leaf)
  if (found) return found
  const highest = entries.find(entry => entry.leaf === 0)?.eax ?? 0
  const isIndexed = entries.some(entry => entry.leaf === leaf)
  const fallback = leaf > highest && leaf < 0x4000_0000 && !isIndexed ? exact(highest) : undefined
  return fallback ?? { eax: 0, ebx: 0, ecx: isIndexed ? subleaf & 0xff : 0, edx: 0 }
}

/**
 * CPUID as the guest runs: OSXSAVE follows its CR4, APIC its IA32_APIC_BASE, the size of the XSAVE area its XCR0 (Linux
 * `kvm_update_cpuid_runtime`).
 */
export function runtimeCpuid(c: Context, leaf: number, subleaf: number): Pick<CpuidEntry, 'eax' | 'ebx' | 'ecx' | 'edx'> {
  const result: CpuidEntry = { leaf, subleaf, indexed: false, ...lookupCpuid(c.vcpu.cpuid, leaf, subleaf) }
  if (leaf === 1) {
    setFeature([result], 'osxsave', (c.cpu.vmread('GUEST_CR4') & (1n << BigInt(CR4.OSXSAVE))) !== 0n)
    setFeature([result], 'apic', (c.vcpu.apicBase & BigInt(APIC_BITS.MSR_IA32_APICBASE_ENABLE)) !== 0n)
  }
  if (leaf === 0xd && subleaf < 2 && result.ebx !== 0) result.ebx = c.cpu.cpuid(leaf, subleaf).ebx
  return result
}
