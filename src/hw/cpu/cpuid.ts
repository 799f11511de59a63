/**
 * CPUID (Intel SDM, "CPUID—CPU Identification"): feature bits from the configuration, the rest what this machine is. Leaves 04H and
 * 80000006H describe caches that the machine does not have, since programs take line sizes from them.
 */

import { PHYSICAL_ADDRESS_BITS, widestLinear } from '../../spec/address-width.ts'
import { CPUID_FEATURES, KVM_SIGNATURE } from '../../spec/cpuid.ts'
import { CRYSTAL_HZ } from '../apic/apic-timer.ts'
import type { MachineConfig } from '../machine.ts'
import { areaBytes, compactedBytes, supportedState, XSAVE_COMPONENTS } from './extended-state.ts'
import { MONITOR_LINE } from './monitor.ts'

export interface CpuidResult {
  eax: number
  ebx: number
  ecx: number
  edx: number
}

/** What CPUID tells beside the configuration: it follows software's settings of this CPU. */
export interface CpuidContext {
  readonly apicId: number
  /** IA32_APIC_BASE's global enable: without it CPUID reports no APIC. */
  readonly apicEnabled: boolean
  /** IA32_MISC_ENABLE's bit for MONITOR and MWAIT. */
  readonly monitorEnabled: boolean
  /** CR4.OSXSAVE. */
  readonly osxsave: boolean
  readonly xcr0: bigint
}

const MAX_BASIC = 0x1b
const MAX_EXTENDED = 0x8000_0008
const LINE_BYTES = 64

/** "GenuineIntel" in EBX, EDX, ECX. */
const VENDOR: CpuidResult = { eax: MAX_BASIC, ebx: 0x756e_6547, edx: 0x4965_6e69, ecx: 0x6c65_746e }
const NOTHING: CpuidResult = { eax: 0, ebx: 0, ecx: 0, edx: 0 }
/** Descriptor FFH: leaf 04H has the caches; 01H in AL is fixed. */
const CACHES_IN_LEAF_4: CpuidResult = { ...NOTHING, eax: 0x00ff_0001 }

/** Lines of 64 bytes; interrupts may end a wait although they are off; one kind of C1. */
const MONITOR_LEAF: CpuidResult = { eax: MONITOR_LINE, ebx: MONITOR_LINE, ecx: 3, edx: 0x10 }

/** type 1 data, 2 instructions, 3 both */
const CACHES: readonly { readonly type: 1 | 2 | 3; readonly level: number; readonly ways: number; readonly sets: number }[] = [
  { type: 1, level: 1, ways: 8, sets: 64 },
  { type: 2, level: 1, ways: 8, sets: 64 },
  { type: 3, level: 2, ways: 16, sets: 2048 },
]
/** The last cache as leaf 80000006H has it: KBytes, code 8 for 16 ways, bytes of a line. */
const L2 = (2048 << 16) | (8 << 12) | LINE_BYTES

function cacheLeaf(index: number): CpuidResult {
  const cache = CACHES[index]
  if (cache === undefined) return NOTHING
  return {
    eax: cache.type | (cache.level << 5) | (1 << 8),
    ebx: (((cache.ways - 1) << 22) | (LINE_BYTES - 1)) >>> 0,
    ecx: cache.sets - 1,
    edx: 0,
  }
}

function brandLeaf(brand: string, part: number): CpuidResult {
  const word = (index: number): number => {
    let value = 0
    for (let byte = 3; byte >= 0; byte--) value = value * 256 + (brand.charCodeAt(part * 16 + index * 4 + byte) || 0)
    return value
  }
  return { eax: word(0), ebx: word(1), ecx: word(2), edx: word(3) }
}

/** Threads, then cores: each CPU is a core with one thread. */
function topologyLeaf(cpus: number, apicId: number, subleaf: number): CpuidResult {
  const bits = Math.ceil(Math.log2(cpus))
  if (subleaf === 0) return { eax: 0, ebx: 1, ecx: 0x100, edx: apicId }
  if (subleaf === 1) return { eax: bits, ebx: cpus, ecx: 0x201, edx: apicId }
  return { ...NOTHING, ecx: subleaf & 0xff, edx: apicId }
}

function extendedStateLeaf(config: MachineConfig, xcr0: bigint, subleaf: number): CpuidResult {
  const supported = supportedState(config.features)
  if (subleaf === 0) return { ...NOTHING, eax: Number(supported), ebx: areaBytes(xcr0), ecx: areaBytes(supported) }
  if (subleaf === 1) return { ...NOTHING, ebx: config.features.includes('xsavec') ? compactedBytes(xcr0) : 0 }
  const component = XSAVE_COMPONENTS.find(({ bit }) => bit === subleaf)
  if (component === undefined || (supported & (1n << BigInt(component.bit))) === 0n) return NOTHING
  return { ...NOTHING, eax: component.bytes, ebx: component.offset }
}

function base(leaf: number, subleaf: number, config: MachineConfig, context: CpuidContext): CpuidResult {
  const has = (feature: MachineConfig['features'][number]): boolean => config.features.includes(feature)
  switch (leaf) {
    case 0:
      return VENDOR
    case 1:
      return {
        ...NOTHING,
        eax: config.signature,
        ebx: ((context.apicId << 24) | (config.cpus << 16) | ((LINE_BYTES / 8) << 8)) >>> 0,
        ecx: context.osxsave ? 1 << 27 : 0,
        edx: config.cpus > 1 ? 1 << 28 : 0,
      }
    case 2:
      return CACHES_IN_LEAF_4
    case 4:
      return cacheLeaf(subleaf)
    case 5:
      return has('monitor') ? MONITOR_LEAF : NOTHING
    case 6:
      return has('hypervisor') ? NOTHING : { ...NOTHING, ecx: 1 } // IA32_MPERF and IA32_APERF
    case 7:
      return { ...NOTHING, eax: subleaf === 0 ? 1 : 0 }
    case 0xb:
      return topologyLeaf(config.cpus, context.apicId, subleaf)
    case 0xd:
      return has('xsave') ? extendedStateLeaf(config, context.xcr0, subleaf) : NOTHING
    case 0x15:
      return { eax: 1, ebx: (config.tscKhz * 1000) / CRYSTAL_HZ, ecx: CRYSTAL_HZ, edx: 0 }
    case 0x16:
      return { ...NOTHING, eax: Math.floor(config.tscKhz / 1000), ebx: Math.floor(config.tscKhz / 1000), ecx: 100 }
    case 0x8000_0000:
      return { ...NOTHING, eax: MAX_EXTENDED }
    case 0x8000_0002:
    case 0x8000_0003:
    case 0x8000_0004:
      return brandLeaf(config.brand, leaf - 0x8000_0002)
    case 0x8000_0006:
      return { ...NOTHING, ecx: L2 }
    case 0x8000_0008:
      return { ...NOTHING, eax: PHYSICAL_ADDRESS_BITS | (widestLinear(config.features) << 8) }
    case KVM_SIGNATURE.leaf:
      return { eax: KVM_SIGNATURE.eax, ebx: KVM_SIGNATURE.ebx, ecx: KVM_SIGNATURE.ecx, edx: KVM_SIGNATURE.edx }
    default:
      return NOTHING
  }
}

/** Leaves that ECX selects a part of; the others answer every ECX alike. */
const SUBLEAVED: ReadonlySet<number> = new Set([0x4, 0x7, 0xb, 0xd])

/** An out-of-range basic leaf gives the data of the highest one. */
const effectiveLeaf = (leaf: number, isGuest: boolean): number => {
  if (isGuest && leaf >= KVM_SIGNATURE.leaf && leaf <= KVM_SIGNATURE.eax) return leaf
  if (leaf <= MAX_BASIC || (leaf >= 0x8000_0000 && leaf <= MAX_EXTENDED)) return leaf
  return MAX_BASIC
}

/** Software can switch some features off. */
const isShown = (name: string, { apicEnabled, monitorEnabled }: CpuidContext): boolean =>
  name === 'apic' ? apicEnabled : name !== 'monitor' || monitorEnabled

export function cpuid(config: MachineConfig, leaf: number, subleaf: number, context: CpuidContext): CpuidResult {
  const effective = effectiveLeaf(leaf >>> 0, config.features.includes('hypervisor'))
  const result = { ...base(effective, subleaf, config, context) }
  const features: ReadonlySet<string> = new Set(config.features)
  for (const row of CPUID_FEATURES)
    if (row.leaf === effective && (row.subleaf === subleaf || !SUBLEAVED.has(effective)) && features.has(row.name))
      if (isShown(row.name, context)) result[row.register] = (result[row.register] | (1 << row.bit)) >>> 0
  return result
}
