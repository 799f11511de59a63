/**
 * MSRs that only hold a value: how software may write them and what they hold at first (Intel SDM, "Architectural MSRs"). A feature
 * in front means that without it the MSR does not exist.
 */

import { shiftRight } from '../../base/u64.ts'
import { isCanonical, PHYSICAL_ADDRESS_BITS, widestLinear } from '../../spec/address-width.ts'
import type { CpuFeature } from '../../spec/cpu-models.ts'
import { isMtrrValue, isPat, MTRR_CAPABILITY, MTRR_DEFAULT_TYPE, MTRR_INDEXES, PAT_AT_RESET } from '../../spec/memory-types.ts'
import { MSRS, type MsrName } from '../../spec/msrs.ts'
import type { MachineConfig } from '../machine.ts'

/** read-only: a write raises #GP. ignored: a write does nothing. */
type Rule = 'any' | 'canonical' | 'low-half' | 'zero' | 'pat' | 'mtrr' | 'read-only' | 'ignored' | 'misc-enable'

interface HeldMsr {
  readonly rule: Rule
  readonly feature: CpuFeature | null
  readonly initial: (config: MachineConfig) => bigint
}

const zero = (): bigint => 0n
const held = (rule: Rule, feature: CpuFeature | null = null, initial: HeldMsr['initial'] = zero): HeldMsr => ({ rule, feature, initial })

/** Fast strings on; no branch trace storage, no precise event-based sampling. */
const MISC_ENABLE_AT_RESET = 0x1801n
/** MONITOR and MWAIT, where the CPU has them. */
const MISC_ENABLE_MONITOR = 1n << 18n
const monitorBit = ({ features }: MachineConfig): bigint => (features.includes('monitor') ? MISC_ENABLE_MONITOR : 0n)
/** Software may change fast strings, and MONITOR and MWAIT; XD disable and the rest stay as they are. */
const MISC_ENABLE_WRITABLE = 1n
/** The update that firmware loaded, in bits 63:32. */
const UCODE_REVISION = 1n << 32n
const WRITE_BACK = 0x0606_0606_0606_0606n

/** Maximum non-turbo ratio in bits 15:8, of a bus of 100 MHz. */
const platformInfo: HeldMsr['initial'] = ({ tscKhz }) => BigInt(Math.floor(tscKhz / 100_000)) << 8n

const NAMED: Partial<Record<MsrName, HeldMsr>> = {
  MSR_IA32_PLATFORM_ID: held('read-only'),
  MSR_IA32_UCODE_REV: held('ignored', null, () => UCODE_REVISION),
  MSR_PLATFORM_INFO: held('read-only', null, platformInfo),
  MSR_MTRRcap: held('read-only', 'mtrr', () => MTRR_CAPABILITY),
  MSR_MISC_FEATURES_ENABLES: held('zero'),
  MSR_IA32_SYSENTER_CS: held('low-half', 'sep'),
  MSR_IA32_SYSENTER_ESP: held('canonical', 'sep'),
  MSR_IA32_SYSENTER_EIP: held('canonical', 'sep'),
  MSR_IA32_MCG_CAP: held('read-only', 'mca'), // no banks
  MSR_IA32_MCG_STATUS: held('zero', 'mca'),
  MSR_IA32_MISC_ENABLE: held('misc-enable', null, config => MISC_ENABLE_AT_RESET | monitorBit(config)),
  MSR_IA32_DEBUGCTLMSR: held('zero'),
  MSR_IA32_CR_PAT: held('pat', 'pat', () => PAT_AT_RESET),
  MSR_IA32_XSS: held('zero', 'xsaves'),
  MSR_STAR: held('any', 'syscall'),
  MSR_LSTAR: held('canonical', 'syscall'),
  MSR_CSTAR: held('canonical', 'syscall'),
  MSR_SYSCALL_MASK: held('low-half', 'syscall'),
  MSR_KERNEL_GS_BASE: held('canonical', 'lm'),
  MSR_TSC_AUX: held('low-half', 'rdtscp'),
}

const HELD: ReadonlyMap<number, HeldMsr> = new Map([
  ...Object.entries(NAMED).map(([name, row]) => [MSRS[name as MsrName].index, row] as const),
  ...MTRR_INDEXES.map(index => [index, held('mtrr', 'mtrr', () => initialMtrr(index))] as const),
])

/** Write-back everywhere, but for the video memory between A0000H and BFFFFH. */
function initialMtrr(index: number): bigint {
  if (index === MSRS.MSR_MTRRdefType.index) return MTRR_DEFAULT_TYPE
  return index >= MSRS.MSR_MTRRfix64K_00000.index && index !== MSRS.MSR_MTRRfix16K_A0000.index ? WRITE_BACK : 0n
}

/** The row of an MSR that these features have. */
export function heldMsr(features: ReadonlySet<string>, index: number): HeldMsr | undefined {
  const row = HELD.get(index)
  return row === undefined || (row.feature !== null && !features.has(row.feature)) ? undefined : row
}

/** What a write leaves in the MSR; null where it raises #GP. */
export function heldAfterWrite(config: MachineConfig, index: number, { rule }: HeldMsr, before: bigint, value: bigint): bigint | null {
  switch (rule) {
    case 'any':
      return value
    case 'canonical':
      return isCanonical(value, widestLinear(config.features)) ? value : null
    case 'low-half':
      return shiftRight(value, 32) === 0n ? value : null
    case 'zero':
      return value === 0n ? value : null
    case 'pat':
      return isPat(value) ? value : null
    case 'mtrr':
      return isMtrrValue(index, value, PHYSICAL_ADDRESS_BITS) ? value : null
    case 'misc-enable':
      return ((value ^ before) & ~(MISC_ENABLE_WRITABLE | monitorBit(config))) === 0n ? value : null
    case 'ignored':
      return before
    case 'read-only':
      return null
  }
}
