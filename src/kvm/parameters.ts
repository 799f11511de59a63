/** Module parameters of kvm and kvm_intel, by Linux's names and with its defaults. */

export interface KvmParameters {
  readonly enable_apicv: boolean
  readonly preemption_timer: boolean
  readonly apic_timer_virt: boolean
  readonly nested: boolean
  /** And-ed with `apic_timer_virt`. */
  readonly nested_apic_timer_virt: boolean
}

export const DEFAULT_PARAMETERS: KvmParameters = {
  enable_apicv: true,
  preemption_timer: true,
  apic_timer_virt: true,
  nested: true,
  nested_apic_timer_virt: true,
}

export const PARAMETER_NAMES = Object.keys(DEFAULT_PARAMETERS) as readonly (keyof KvmParameters)[]
