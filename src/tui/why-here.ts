/** What the cursor stands on, as something whose origin or changes can be asked for. */

import { formatLocation, type Location } from '../query/location.ts'
import type { Place } from '../query/position.ts'
import { MSRS } from '../spec/msrs.ts'
import type { TraceEvent } from '../spec/trace-events.ts'
import { change } from './journeys.ts'
import type { Model } from './model.ts'
import { overlayRowsOf } from './panes/overlay.ts'
import { locationUnderCursor } from './panes/state.ts'
import { openPrompt } from './prompt-opening.ts'
import { askEdit } from './rerun.ts'
import { ask } from './why.ts'

/** What an event is about. */
function locationOfEvent(event: TraceEvent): Location | undefined {
  switch (event.kind) {
    case 'kvm_exit':
    case 'vmx_exit':
      return { kind: 'exit' }
    case 'interrupt':
    case 'kvm_inj_virq':
    case 'kvm_apic_accept_irq':
    case 'apic_timer_fire':
      return { kind: 'irq', vector: event.vector }
    case 'kvm_msr':
      return { kind: 'msr', index: event.index }
    case 'apic_timer_arm':
      return { kind: 'msr', index: MSRS.MSR_IA32_TSC_DEADLINE.index }
    default:
      return undefined
  }
}

function underCursor(model: Model, place: Place): Location | undefined {
  if (model.overlay === null && model.focus === 'state') return locationUnderCursor(model)
  return place.kind === 'event' ? locationOfEvent(model.trace.event(place.index)) : undefined
}

/** Asks about the value or the event under the cursor; where there is none, the person names one. */
export function whyHere(model: Model): Model {
  const { overlay } = model
  const place = overlay === null ? model.place : overlayRowsOf(model)[overlay.at]?.target
  if (place === undefined || place === null) return { ...model, notice: 'this row is about no event' }
  const location = underCursor(model, place)
  if (location !== undefined) return ask(model, { location, place })
  return overlay === null ? openPrompt(model, 'command', 'why ') : { ...model, notice: 'w asks about exits, interrupts and MSRs here' }
}

/** Asks for the value that the one under the cursor is to have instead. */
export function editUnderCursor(model: Model): Model {
  const location = model.focus === 'state' ? locationUnderCursor(model) : undefined
  return askEdit(model, location === undefined ? '' : `${formatLocation(location)}=`)
}

/** The next or previous change of the value under the cursor of the state pane; elsewhere of what `:follow` named. */
export function nextChange(model: Model, direction: 1 | -1): Model {
  const location = model.focus === 'state' ? locationUnderCursor(model) : undefined
  return change(location === undefined ? model : { ...model, followed: location }, direction)
}
