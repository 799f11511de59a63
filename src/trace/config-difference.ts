/** How two traces' headers differ: configuration values by their path, and the programs. */

import { hex } from '../base/u64.ts'
import type { TraceHeader } from './file.ts'

export interface ConfigDifference {
  /** Shortest end of the path that names one value only: `apic_timer_virt`. */
  readonly name: string
  readonly path: string
  /** As text; undefined where that side has no such value. */
  readonly a: string | undefined
  readonly b: string | undefined
}

function leafText(value: unknown): string {
  if (typeof value === 'bigint') return hex(value)
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
  return String(value)
}

/** Every value of a plain object under its path. */
function flatten(value: unknown, path: string, into: Map<string, string>): Map<string, string> {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return into.set(path, leafText(value))
  for (const [key, entry] of Object.entries(value)) flatten(entry, path === '' ? key : `${path}.${key}`, into)
  return into
}

/** The last components of `path` that no other path ends with. */
function shortName(path: string, paths: Iterable<string>): string {
  const all = [...paths]
  const parts = path.split('.')
  for (let from = parts.length - 1; from > 0; from--) {
    const name = parts.slice(from).join('.')
    if (/^\d/.test(name)) continue // a place in a list says nothing alone
    if (all.filter(other => other === name || other.endsWith(`.${name}`)).length === 1) return name
  }
  return path
}

export function configDifferences(a: TraceHeader, b: TraceHeader): ConfigDifference[] {
  const inA = flatten(a.config, '', new Map())
  const inB = flatten(b.config, '', new Map())
  const paths = new Set([...inA.keys(), ...inB.keys()])
  return [...paths]
    .filter(path => inA.get(path) !== inB.get(path))
    .sort()
    .map(path => ({ name: shortName(path, paths), path, a: inA.get(path), b: inB.get(path) }))
}

const shown = (text: string | undefined): string => (text === undefined ? 'absent' : text.length > 40 ? `${text.slice(0, 37)}...` : text)

/** `apic_timer_virt 0 -> 1`. */
export const configText = ({ name, a, b }: ConfigDifference): string => `${name} ${shown(a)} -> ${shown(b)}`

/** How the programs differ, in words: the first source line that does, or the bytes; undefined when they are the same. */
export function imageDifference({ image: a }: TraceHeader, { image: b }: TraceHeader): string | undefined {
  for (const [i, source] of a.sources.entries()) {
    const other = b.sources[i]
    if (!other || other.text === source.text) continue
    const theirs = other.text.split('\n')
    const line = source.text.split('\n').findIndex((text, n) => text !== theirs[n])
    return `the programs differ, first at ${source.file}:${(line < 0 ? source.text.split('\n').length : line) + 1}`
  }
  if (Buffer.compare(a.bytes, b.bytes) !== 0) return `the programs differ: ${a.bytes.length} and ${b.bytes.length} bytes`
  if (a.origin !== b.origin || a.entry !== b.entry) return 'the programs are loaded at different addresses'
  return undefined
}
