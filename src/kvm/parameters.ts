/** Module parameters of kvm and kvm_intel, by Linux's names and with its defaults. */

export interface KvmParameters {
  readonly enable_apicv: boolean
  readonly preemption_timer: boolean
  readonly apic_timer_virt: boolean
  readonly nested: boolean
  readonly enable_shadow_vmcs: boolean
  /** And-ed with `apic_timer_virt`. */
  readonly nested_apic_timer_virt: boolean
  /** A deadline's timer is set early, by an adaptive time, and KVM spins for the rest just before the VM entry. */
  readonly lapic_timer_advance: boolean
  /** For how long at most a halted vCPU polls before its thread sleeps; 0: never. */
  readonly halt_poll_ns: number
}

export const DEFAULT_PARAMETERS: KvmParameters = {
  enable_apicv: true,
  preemption_timer: true,
  apic_timer_virt: true,
  nested: true,
  enable_shadow_vmcs: true,
  nested_apic_timer_virt: true,
  lapic_timer_advance: true,
  halt_poll_ns: 200_000,
}

/** What KVM here did before it had these parameters: how a trace without them is to be read. */
export const BEFORE_THEY_EXISTED: Partial<KvmParameters> = { lapic_timer_advance: false, halt_poll_ns: 0 }

export type ParameterName = keyof KvmParameters

export const PARAMETER_NAMES = Object.keys(DEFAULT_PARAMETERS) as readonly ParameterName[]

/** What Linux's `kstrtobool` and `kstrtouint` take here. */
const TRUTH: Readonly<Record<string, boolean>> = { '0': false, '1': true, n: false, y: true, N: false, Y: true }
const MAX_UINT = 0xffff_ffff

export const isSwitch = (name: ParameterName): boolean => typeof DEFAULT_PARAMETERS[name] === 'boolean'

/** Whether a parameter can have this value. */
export const isParameterValue = (name: ParameterName, value: unknown): boolean =>
  isSwitch(name) ? typeof value === 'boolean' : Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MAX_UINT

/** The value that a text says, undefined where it says none. */
export function parameterValueOf(name: ParameterName, text: string): boolean | number | undefined {
  const value = isSwitch(name) ? TRUTH[text] : /^\d+$/.test(text) ? Number(text) : undefined
  return isParameterValue(name, value) ? value : undefined
}

/** `NAME=VALUE` as the command line takes it. */
export const parameterText = ([name, value]: readonly [string, unknown]): string => `${name}=${Number(value)}`
