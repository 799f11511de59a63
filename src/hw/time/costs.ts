/**
 * What everything costs, in ticks of the host's TSC: the one table that all latencies stand on. Each row names its source or
 * says that it is an assumption. A machine keeps the table it was made with, and a trace records it.
 */

interface CostRow {
  readonly ticks: number
  readonly source: string
}

export const COSTS = {
  instruction: { ticks: 1, source: 'assumption: one simple instruction per cycle, caches and pipelines not modelled' },
  divide: { ticks: 18, source: 'published instruction tables for recent Intel cores: 64-bit DIV 10 to 18 cycles' },
  pause: { ticks: 140, source: 'Intel optimization manual: about 140 cycles since Skylake' },
  rdtsc: { ticks: 25, source: 'published instruction tables: 25 cycles on Skylake and later' },
  serializing: { ticks: 100, source: 'published instruction tables: CPUID leaf 0 about 100 cycles; SERIALIZE taken as the same' },
  rdmsr: { ticks: 100, source: 'assumption: order of published measurements for fast MSRs' },
  wrmsr: { ticks: 150, source: 'assumption: order of published measurements for non-serializing x2APIC and deadline MSRs' },
  portIo: { ticks: 1000, source: 'assumption: half a microsecond at 2 GHz for a legacy port' },
  descriptor: { ticks: 30, source: 'assumption: segment and table loads read memory' },
  interruptDelivery: { ticks: 250, source: 'assumption: IDT delivery with a 64-bit frame, a few hundred cycles in published measurements' },
  haltWake: { ticks: 400, source: 'assumption: leaving C1' },
  vmxInstruction: { ticks: 40, source: 'assumption: VMREAD and VMWRITE of cached fields take tens of cycles' },
  vmEntry: { ticks: 600, source: 'assumption: half of a published CPUID round trip of about 1,200 cycles' },
  vmExit: { ticks: 600, source: 'assumption: the other half' },
  virtualInterrupt: { ticks: 60, source: 'assumption: recognition and APIC-page updates in microcode, on top of the delivery' },
  kvmEntry: { ticks: 250, source: 'assumption: request checks and register loads of the vCPU loop before VM entry' },
  kvmExit: { ticks: 350, source: 'assumption: register saves and dispatch by exit reason after VM exit' },
  kvmFastpath: { ticks: 200, source: 'assumption: exits that re-enter without the outer loop' },
  kvmEmulate: { ticks: 400, source: 'assumption: emulation of one instruction or register access' },
  kvmProgramTimer: { ticks: 300, source: 'assumption: starting or cancelling a high-resolution timer' },
  kvmTimerExpiry: { ticks: 700, source: 'assumption: timer interrupt in the host, up to the callback' },
  kvmToggleVirtualTimer: { ticks: 150, source: 'assumption: bitmap, control and two fields of the VMCS' },
  kvmNestedEntry: {
    ticks: 16_000,
    source:
      'half of what a hypercall of a nested guest takes beyond its plain exits and entries: about 38,000 cycles where one of a guest takes about 1,600 (Lim and Nieh, "Optimizing Nested Virtualization Performance Using Direct Virtual Hardware", ASPLOS 2020, KVM on KVM)',
  },
  kvmNestedExit: { ticks: 16_000, source: 'the other half: the copy back and the load of the host state' },
  kvmBlock: { ticks: 1800, source: 'assumption: scheduling out a halted vCPU thread' },
  kvmWake: { ticks: 3600, source: 'assumption: waking its thread and scheduling it in' },
  kvmUserExit: { ticks: 3000, source: 'assumption: return of KVM_RUN to user space and the next call' },
  guestKernelWake: {
    ticks: 5000,
    source:
      "assumption: a guest kernel's way from the timer's interrupt to the woken thread in user mode, 2.5 microseconds, of the order of cyclictest's average on an otherwise idle bare machine",
  },
  kvmPageFault: { ticks: 2000, source: 'assumption: mapping one page in EPT' },
} as const satisfies Readonly<Record<string, CostRow>>

export type CostName = keyof typeof COSTS

export type CostTable = Readonly<Record<CostName, number>>

export const defaultCosts = (): CostTable =>
  Object.fromEntries(Object.entries(COSTS).map(([name, row]) => [name, row.ticks])) as Record<CostName, number>
