/** A vCPU's counters (KVM_GET_STATS_FD), by KVM's names. */

export const STATISTICS = [
  'exits',
  'io_exits',
  'halt_exits',
  'irq_exits',
  'irq_window_exits',
  'nmi_window_exits',
  'irq_injections',
  'nmi_injections',
  'hypercalls',
  'pf_taken',
  /** Entries of L2 for L1's VMLAUNCH and VMRESUME. */
  'nested_run',
  /** Interrupts of a TSC deadline that KVM itself injected. */
  'inject_tscdeadline',
  'halt_attempted_poll',
  'halt_successful_poll',
  'halt_poll_success_ns',
  'halt_poll_fail_ns',
  'halt_wait_ns',
  'halt_wakeup',
] as const

export type StatisticName = (typeof STATISTICS)[number]

export type Statistics = Record<StatisticName, number>

export const newStatistics = (): Statistics => Object.fromEntries(STATISTICS.map(name => [name, 0])) as Statistics
