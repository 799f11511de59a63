/** Parts that several directives share: axes of the matrix, CPU features, conditions. */

import type { DefectName } from '../kvm/defects.ts'
import type { KvmParameters } from '../kvm/parameters.ts'
import { CPU_FEATURES } from '../spec/cpu-models.ts'
import { Refusal, suggestion, type WordReader } from './directive-words.ts'
import type { Axis, Cell, Condition } from './plan.ts'

/** Written out, so that vitest's configuration does not load a machine and a KVM to learn a few names; the compiler compares them. */
const PARAMETERS: Readonly<Record<string, 'switch' | 'number'>> = {
  enable_apicv: 'switch',
  preemption_timer: 'switch',
  apic_timer_virt: 'switch',
  nested: 'switch',
  enable_shadow_vmcs: 'switch',
  nested_apic_timer_virt: 'switch',
  lapic_timer_advance: 'switch',
  halt_poll_ns: 'number',
} satisfies { readonly [K in keyof KvmParameters]: KvmParameters[K] extends boolean ? 'switch' : 'number' }
const DEFECTS = Object.keys({
  'scaled-offset': true,
  'rounded-down': true,
  'stale-vector': true,
  'stale-deadline': true,
  'stale-vmcs01': true,
  'stale-high-half': true,
  'cleared-shadow': true,
  'missing-wakeup': true,
} satisfies Readonly<Record<DefectName, true>>) as readonly DefectName[]
const FEATURES: readonly string[] = CPU_FEATURES
const AXES: readonly string[] = [...Object.keys(PARAMETERS), ...FEATURES, ...DEFECTS, 'level']
const SWITCH_VALUES = ['0', '1']
/** L0: on the CPU itself, with no KVM. L1: under KVM. L2: under the stock guest hypervisor, which runs under KVM. */
const LEVELS = ['L1', 'L0', 'L2']

const isDefect = (name: string): name is DefectName => DEFECTS.some(known => known === name)

function kindOf(axis: string): Axis['kind'] {
  if (axis === 'level') return 'level'
  if (axis in PARAMETERS) return 'parameter'
  return isDefect(axis) ? 'defect' : 'feature'
}

export const readDefect = (words: WordReader): DefectName => words.choice(DEFECTS, 'a defect of `vtick explain defects`')

/** Those that a cell's own axes switch on. */
export const defectsOf = (cell: Cell): readonly DefectName[] => DEFECTS.filter(name => cell[name] === '1')

/** `apic_timer_virt = 0, 1`; `others` are the axes that stand already. */
export function readMatrix(words: WordReader, others: readonly Axis[]): Axis {
  const { place } = words
  const name = words.choice(AXES, 'a module parameter, a CPU feature, a defect or `level`')
  if (others.some(other => other.name === name)) throw new Refusal(place, `\`${name}\` is an axis already`)
  words.sign('=')
  const kind = kindOf(name)
  const values: string[] = []
  do values.push(readValue(words, kind, name))
  while (words.skip(','))
  return { kind, name, values }
}

function readValue(words: WordReader, kind: Axis['kind'], name: string): string {
  const { place } = words
  if (PARAMETERS[name] === 'number') return words.next('number', 'a number')
  const legal = kind === 'level' ? LEVELS : SWITCH_VALUES
  const value = kind === 'level' ? words.next('name', 'a level') : words.next('number', '0 or 1')
  if (!legal.includes(value)) throw new Refusal(place, `\`${value}\` is not a value of it`, suggestion(value, legal))
  return value
}

/** What `cpu` will set besides features. */
const CPU_SETTINGS_LATER = ['tsc-offset', 'tsc-mult']

/** `+feature` or `-feature`. */
export function readCpu(words: WordReader): Readonly<Record<string, boolean>> {
  const { place } = words
  const isOn = words.skip('+')
  if (!isOn && !words.skip('-')) {
    const name = words.next('name', '`+feature` or `-feature`')
    if (CPU_SETTINGS_LATER.includes(name)) throw new Refusal(place, `\`${name}\` cannot be set yet`, 'what can be: +feature, -feature')
    throw new Refusal(place, `\`${name}\` needs a sign: + gives the feature, - takes it away`)
  }
  return { [words.choice(FEATURES, 'a feature of this CPU')]: isOn }
}

/** `when a=b c=d`, or nothing. That these are axes is checked when all of the matrix is known. */
export const readConditions = (words: WordReader): readonly Condition[] => (words.skip('when') ? readCell(words) : [])

/** `a=b c=d`, up to the end or to `when`. */
export function readCell(words: WordReader): readonly Condition[] {
  const conditions: Condition[] = []
  do {
    const { place } = words
    const axis = words.next('name', 'an axis of the matrix')
    words.sign('=')
    conditions.push({ axis, value: words.next(words.sees('number') ? 'number' : 'name', 'a value'), place })
  } while (!words.isAtEnd && !words.stands('when'))
  return conditions
}
