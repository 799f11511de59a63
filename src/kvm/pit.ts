/**
 * The in-kernel PIT (Linux `arch/x86/kvm/i8254.c`, KVM_CREATE_PIT2): the 8254 model, whose counter 0 drives GSI 0 by a high-resolution timer of
 * the host on the CPU of vCPU 0. Counter 0's output falls and rises again at the end of each period: the edge is what interrupts.
 */

import { TSC_AT_START } from '../base/units.ts'
import { type Moment, NOT_DUE } from '../devices/moment.ts'
import { newPit, type PitState, pitDue, pitOutput } from '../devices/pit.ts'
import { rebasePit } from '../devices/rebase.ts'
import { contextsOf, type VmContext } from './context.ts'
import { cancelHostTimer, startHostTimer } from './host-timer.ts'
import { setIrq } from './irqchip.ts'

export interface KvmPit {
  state: PitState
  /** KVM_PIT_FLAGS_HPET_LEGACY: user space's HPET has taken the line over. */
  hpetLegacy: boolean
}

export const newKvmPit = (): KvmPit => ({ state: newPit(), hpetLegacy: false })

/** `struct kvm_pit_state2`, and the moment at which it was so. */
export interface PitImage extends KvmPit {
  readonly moment: Moment
}

export const getPit = (v: VmContext): PitImage => ({ ...structuredClone(v.vm.pit!), moment: pitMoment(v) })

/** As much time has passed for its counters as had there. */
export function setPit(v: VmContext, { state, hpetLegacy, moment }: PitImage): void {
  Object.assign(v.vm.pit!, { state: rebasePit(state, moment, pitMoment(v)), hpetLegacy })
  pitChanged(v)
}

const TIMER_GSI = 0

export const pitMoment = ({ machine }: VmContext): Moment => ({ tick: machine.tick, hertz: machine.tscKhz * 1000 })

/** The next tick at which counter 0's output rises. */
function nextRise(state: PitState, moment: Moment): number {
  const change = pitDue(state, moment)
  if (change === NOT_DUE || pitOutput(state, 0, { ...moment, tick: change })) return change
  return pitDue(state, { ...moment, tick: change })
}

/** Counter 0 was written, or has risen: the line shows its output, and the timer waits for the next rise. */
export function pitChanged(v: VmContext): void {
  const { state, hpetLegacy } = v.vm.pit!
  const [first] = contextsOf(v)
  if (first === undefined) return
  const moment = pitMoment(v)
  setLine(v, !hpetLegacy && pitOutput(state, 0, moment))
  const rise = hpetLegacy ? NOT_DUE : nextRise(state, moment)
  if (rise === NOT_DUE) cancelHostTimer(first, 'pit')
  else startHostTimer(first, 'pit', TSC_AT_START + BigInt(rise))
}

function setLine(v: VmContext, high: boolean): void {
  if (((v.vm.chips!.levels.pit >> TIMER_GSI) & 1) !== (high ? 1 : 0)) setIrq(v, 'pit', TIMER_GSI, high)
}

/** The host's timer for it ran out. */
export function pitExpired(v: VmContext): void {
  setLine(v, false)
  pitChanged(v)
}
