/** The values of options, checked: each wrong one is a line that says what would be right. */

import { parseNumber } from '../assembler/literals.ts'
import { nearest } from '../base/suggest.ts'
import { DEFECT_NAMES, type DefectName, isDefectName } from '../kvm/defects.ts'
import { isSwitch, type KvmParameters, PARAMETER_NAMES, type ParameterName, parameterValueOf } from '../kvm/parameters.ts'
import {
  CPU_FEATURES,
  CPU_MODELS,
  type CpuFeature,
  type CpuModelName,
  closeFeatures,
  DEFAULT_CPU_MODEL,
  featureNamed,
  MAX_CPUS,
} from '../spec/cpu-models.ts'
import type { WantedCoverage, WantedReporter } from '../testing/run-tests.ts'
import { usageError } from './exit-codes.ts'

const didYouMean = (word: string, names: readonly string[]): string => {
  const near = nearest(word, names)
  return near === undefined ? `there are ${names.join(', ')}` : `did you mean ${near}?`
}

/** `-D NAME=VALUE`; without a value the name is defined as nothing, as NASM does. */
export function parseDefine(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=')
  const name = at < 0 ? text : text.slice(0, at)
  if (!/^[A-Za-z_.?$][\w.?$#@~]*$/.test(name)) throw usageError(`-D ${text}: \`${name}\` is not a name`, 'write it as -D TICKS=10')
  return { ...before, [name]: at < 0 ? '' : text.slice(at + 1) }
}

export const gather = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

/** `--env KEY=VALUE`: one more line. */
export function gatherEnvironment(line: string, before: readonly string[] = []): readonly string[] {
  if (!/^[^=\s]+=/.test(line)) throw usageError(`--env ${line}: that is no KEY=VALUE`, 'write it as --env NR_CPUS=2')
  return [...before, line]
}

/** `--date`: seconds since 1970. */
export function parseDate(text: string): number {
  const milliseconds = Date.parse(/Z$|[+-]\d\d:\d\d$/.test(text) || !text.includes('T') ? text : `${text}Z`)
  if (!Number.isFinite(milliseconds) || milliseconds < 0)
    throw usageError(`--date ${text}: that is no date`, 'write it as 2026-01-01T12:00:00Z')
  return Math.floor(milliseconds / 1000)
}

/** `--param NAME=VALUE`, NAME a module parameter of kvm or kvm_intel, VALUE as the kernel takes it. */
export function parseParameter(text: string, before: Partial<KvmParameters> = {}): Partial<KvmParameters> {
  const [name = '', value] = text.split('=', 2)
  if (!(PARAMETER_NAMES as readonly string[]).includes(name))
    throw usageError(`--param ${text}: KVM has no parameter \`${name}\` here`, didYouMean(name, PARAMETER_NAMES))
  const parameter = name as ParameterName
  const parsed = parameterValueOf(parameter, value ?? '')
  if (parsed === undefined) {
    const legal = isSwitch(parameter) ? '0 or 1' : 'a number of ns'
    const next = isSwitch(parameter) ? `write --param ${name}=0 or --param ${name}=1` : `write it in decimal, as --param ${name}=0`
    throw usageError(`--param ${text}: ${value === undefined ? 'the value is missing' : `\`${value}\` is not ${legal}`}`, next)
  }
  return { ...before, [name]: parsed }
}

/** `--defect NAME`, one of the series' as it was posted. */
export function parseDefect(text: string, before: readonly DefectName[] = []): DefectName[] {
  if (!isDefectName(text)) throw usageError(`--defect ${text}: there is no such defect`, didYouMean(text, DEFECT_NAMES))
  return [...before, text]
}

function integer(option: string, text: string, unit: string, from: number, to: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (Number.isNaN(value))
    throw usageError(`${option} ${text}: not a number of ${unit}`, `write it in decimal, as ${option} ${Math.max(from, 64)}`)
  if (value < from || value > to) throw usageError(`${option} ${text}: out of range`, `choose from ${from} to ${to} ${unit}`)
  return value
}

/** The guest boots with its first GiB mapped, and an image stands at 1 MiB. */
export const parseCpuCount = (text: string): number => integer('--smp', text, 'CPUs', 1, MAX_CPUS)
export const parseMemory = (text: string): number => integer('-m', text, 'MiB', 2, 1024)

export const parseInstructionCount = (text: string): number => integer('--max-insns', text, 'instructions', 1, Number.MAX_SAFE_INTEGER)

export const parseDepth = (text: string): number => integer('--depth', text, 'instructions', 1, Number.MAX_SAFE_INTEGER)

/** `--org ADDRESS`, in any of the assembler's spellings of a number. */
export function parseOrigin(text: string): bigint {
  const value = /^[$\d]/.test(text) ? parseNumber(text) : undefined
  if (value === undefined || value >= 1n << 64n) throw usageError(`--org ${text}: not an address`, 'write it as --org 0x7c00')
  return value
}

export const parsePort = (text: string): number => integer('--port', text, 'a port; 0 is any that is free', 0, 65_535)

export const parseTscKhz = (text: string): number => integer('--tsc-khz', text, 'kHz', 1, 2 ** 32)

/** `--tol cycles=N`. */
export function parseTolerance(text: string): number {
  const [unit, count] = text.split('=', 2)
  if (unit !== 'cycles' || count === undefined) throw usageError(`--tol ${text}: not a tolerance`, 'write it as --tol cycles=64')
  return integer('--tol cycles', count, 'cycles', 0, Number.MAX_SAFE_INTEGER)
}

export const parseTimingDelta = (text: string): number => integer('--max-timing-delta', text, 'cycles', 0, Number.MAX_SAFE_INTEGER)

export interface CpuChoice {
  readonly model: CpuModelName
  readonly features: readonly CpuFeature[]
}

const isModel = (name: string): name is CpuModelName => Object.hasOwn(CPU_MODELS, name)

/** `MODEL,+feature,-feature`, as QEMU's -cpu. */
export function parseCpu(text: string): CpuChoice {
  const words = text.split(',').map(word => word.trim())
  const first = words[0] ?? ''
  const model = /^[+-]/.test(first) || first === '' ? DEFAULT_CPU_MODEL : first
  if (!isModel(model)) throw usageError(`--cpu ${text}: there is no model \`${model}\``, didYouMean(model, Object.keys(CPU_MODELS)))
  const wanted = new Set<CpuFeature>(CPU_MODELS[model].features)
  const added: CpuFeature[] = []
  for (const word of model === first ? words.slice(1) : words) {
    const name = featureNamed(word.slice(1))
    if (!/^[+-]/.test(word)) throw usageError(`--cpu ${text}: \`${word}\` has no + or - in front`, 'write it as --cpu max,-apic-timer-virt')
    if (name === undefined)
      throw usageError(`--cpu ${text}: there is no feature \`${word.slice(1)}\``, didYouMean(word.slice(1), CPU_FEATURES))
    if (word.startsWith('+')) added.push(name)
    if (word.startsWith('+')) wanted.add(name)
    else wanted.delete(name)
  }
  const features = closeFeatures(wanted)
  const lost = added.find(name => wanted.has(name) && !features.includes(name))
  if (lost !== undefined) throw usageError(`--cpu ${text}: ${lost} needs a feature that is switched off`, 'leave one of the two out')
  return { model, features }
}

/** `--shard i/n`, from 1. */
export function parseShard(text: string): string {
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(text) ?? []
  if (index === undefined || Number(index) < 1 || Number(index) > Number(count))
    throw usageError(`--shard ${text}: not a shard`, 'write it as --shard 1/3, up to --shard 3/3')
  return text
}

export const REPORTER_NAMES = ['default', 'kut', 'ktap', 'junit', 'json'] as const satisfies readonly WantedReporter['name'][]

/** `--reporter NAME` or `--reporter NAME=FILE`. */
export const parseReporter = (text: string, before: readonly WantedReporter[] = []): readonly WantedReporter[] => [
  ...before,
  parseReport('--reporter', 'reporter', text, REPORTER_NAMES),
]

export const COVERAGE_FORMS = ['text', 'json', 'lcov', 'listing'] as const satisfies readonly WantedCoverage['name'][]

/** `--coverage FORM` or `--coverage FORM=FILE`. */
export const parseCoverage = (text: string, before: readonly WantedCoverage[] = []): readonly WantedCoverage[] => [
  ...before,
  parseReport('--coverage', 'form', text, COVERAGE_FORMS),
]

function parseReport<N extends string>(option: string, kind: string, text: string, names: readonly N[]): { name: N; file: string | null } {
  const [word = '', file] = text.split('=', 2)
  const name = names.find(known => known === word)
  if (name === undefined) throw usageError(`${option} ${text}: there is no ${kind} \`${word}\``, didYouMean(word, names))
  if (file === '') throw usageError(`${option} ${text}: the file is missing`, `write it as ${option} ${name}=FILE`)
  return { name, file: file ?? null }
}

export const parseDurationMs = (text: string): number => integer('--duration-ms', text, 'milliseconds', 1, 600_000)
export const parsePeriodNs = (text: string): number => integer('--period-ns', text, 'nanoseconds', 100, 1_000_000_000)
export const parseJitterSeed = (text: string): number => integer('--jitter-seed', text, 'a seed', 0, 2 ** 32 - 1)
