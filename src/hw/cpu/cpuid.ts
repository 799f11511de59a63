/** CPUID (Intel SDM, "CPUID"): feature bits from the configuration, the rest what this machine is. */

import { PHYSICAL_ADDRESS_BITS, widestLinear } from '../../spec/address-width.ts'
import { CPUID_FEATURES } from '../../spec/cpuid.ts'
import { CRYSTAL_HZ } from '../apic/apic-timer.ts'
import type { MachineConfig } from '../machine.ts'

export interface CpuidResult {
  eax: number
  ebx: number
  ecx: number
  edx: number
}

const MAX_BASIC = 0x16
const MAX_EXTENDED = 0x8000_0008
/** Family 6, model 0xDD, stepping 0: Clearwater Forest, the first with APIC-timer virtualization. */
const SIGNATURE = 0x000d_06d0

/** "GenuineIntel" in EBX, EDX, ECX. */
const VENDOR: CpuidResult = { eax: MAX_BASIC, ebx: 0x756e_6547, edx: 0x4965_6e69, ecx: 0x6c65_746e }

const BRAND = 'vtick emulated processor'

function brandLeaf(part: number): CpuidResult {
  const word = (index: number): number => {
    let value = 0
    for (let byte = 3; byte >= 0; byte--) value = value * 256 + (BRAND.charCodeAt(part * 16 + index * 4 + byte) || 0)
    return value
  }
  return { eax: word(0), ebx: word(1), ecx: word(2), edx: word(3) }
}

function base(leaf: number, subleaf: number, config: MachineConfig): CpuidResult {
  const nothing = { eax: 0, ebx: 0, ecx: 0, edx: 0 }
  switch (leaf) {
    case 0:
      return { ...VENDOR }
    case 1:
      return { ...nothing, eax: SIGNATURE, ebx: (config.cpus << 16) | (8 << 8) }
    case 0xb:
      return subleaf === 0
        ? { eax: 0, ebx: 1, ecx: 0x100, edx: 0 }
        : subleaf === 1
          ? { eax: 0, ebx: config.cpus, ecx: 0x201, edx: 0 }
          : { ...nothing, ecx: subleaf & 0xff }
    case 0x15:
      return { eax: 1, ebx: (config.tscKhz * 1000) / CRYSTAL_HZ, ecx: CRYSTAL_HZ, edx: 0 }
    case 0x16:
      return { ...nothing, eax: Math.floor(config.tscKhz / 1000), ebx: Math.floor(config.tscKhz / 1000), ecx: 100 }
    case 0x8000_0000:
      return { ...nothing, eax: MAX_EXTENDED }
    case 0x8000_0002:
    case 0x8000_0003:
    case 0x8000_0004:
      return brandLeaf(leaf - 0x8000_0002)
    case 0x8000_0008:
      return { ...nothing, eax: PHYSICAL_ADDRESS_BITS | (widestLinear(config.features) << 8) }
    default:
      return nothing
  }
}

/** Leaves that ECX selects a part of; the others answer every ECX alike. */
const SUBLEAVED: ReadonlySet<number> = new Set([0x7, 0xb])

/** An out-of-range basic leaf gives the data of the highest one. */
const effectiveLeaf = (leaf: number): number => {
  if (leaf <= MAX_BASIC || (leaf >= 0x8000_0000 && leaf <= MAX_EXTENDED)) return leaf
  return MAX_BASIC
}

export function cpuid(config: MachineConfig, leaf: number, subleaf: number): CpuidResult {
  const effective = effectiveLeaf(leaf >>> 0)
  const result = base(effective, subleaf, config)
  const features: ReadonlySet<string> = new Set(config.features)
  for (const row of CPUID_FEATURES)
    if (row.leaf === effective && (row.subleaf === subleaf || !SUBLEAVED.has(effective)) && features.has(row.name))
      result[row.register] = (result[row.register] | (1 << row.bit)) >>> 0
  return result
}
