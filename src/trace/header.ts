/**
 * What a trace says before its first event: the resolved configuration and the program. The configuration is opaque here: it
 * belongs to those who build the machine. The image's long lists are columns, as events are.
 */

import type { Image, ImageLine, ImageSymbol } from '../assembler/image.ts'
import { assert } from '../base/assert.ts'
import type { FieldType } from '../spec/trace-events.ts'
import { TRACE_VERSION } from './block.ts'
import { asArray, asBytes, asCount, asObject, asText, canonical, type PlainObject, packValue, revived, unpackValue } from './canonical.ts'
import { packColumn, unpackColumn } from './columns.ts'
import { damaged } from './trace-file-error.ts'

export interface TraceHeader {
  readonly version: number
  /** Resolved: whatever replay needs, without paths, dates or names of hosts and programs. */
  readonly config: PlainObject
  readonly image: Image
}

const SYMBOL_FIELDS = { name: 'text', value: 'u64', kind: 'text', source: 'u32', line: 'u32' } as const satisfies Record<
  keyof ImageSymbol,
  FieldType
>
const LINE_FIELDS = { address: 'count', length: 'u32', source: 'u32', line: 'u32' } as const satisfies Record<keyof ImageLine, FieldType>

/** Lines or symbols of a program. */
const MAX_ROWS = 1_000_000

type Fields = Readonly<Record<string, FieldType>>

const packRows = (fields: Fields, rows: readonly object[], name: string): readonly unknown[] => [
  rows.length,
  ...Object.entries(fields).map(([field, type]) =>
    packColumn(
      type,
      rows.map(row => (row as PlainObject)[field]),
      `${name}.${field}`,
    ),
  ),
]

function unpackRows(fields: Fields, value: unknown, where: string): Record<string, unknown>[] {
  const names = Object.entries(fields)
  const [length, ...packed] = asArray(value, where, names.length + 1)
  const count = asCount(length, where, MAX_ROWS)
  const columns = names.map(([, type], i) => unpackColumn(type, packed[i], count, where))
  return Array.from({ length: count }, (_, row) => Object.fromEntries(names.map(([name], i) => [name, columns[i]![row]])))
}

/** The header's canonical bytes. */
export function packHeader({ version, config, image }: TraceHeader): Uint8Array {
  assert(version === TRACE_VERSION, `a trace is written in format version ${TRACE_VERSION}`)
  const { origin, entry, bytes, bits, bitsStated, symbols, lines, sources } = image
  for (const { file } of sources) assert(!/^([/\\]|[A-Za-z]:[/\\])/.test(file), `a trace holds no absolute path: ${file}`)
  return packValue({
    config: canonical(config, 'config'),
    image: {
      bits,
      bitsStated,
      bytes,
      entry,
      lines: packRows(LINE_FIELDS, lines, 'line'),
      origin,
      sources: sources.map(({ file, text }) => [file, text]),
      symbols: packRows(SYMBOL_FIELDS, symbols, 'symbol'),
    },
    version,
  })
}

/** The header again; refuses what `packHeader` would not have written. */
export function unpackHeader(raw: Uint8Array): TraceHeader {
  const where = 'the header'
  const { config, image, version } = asObject(unpackValue(raw, where), where)
  if (version !== TRACE_VERSION) throw damaged(where, 'its version differs from that of the preamble')
  return { version, config: asObject(revived(asObject(config, where), where), where), image: unpackImage(image, `${where}'s image`) }
}

function unpackImage(value: unknown, where: string): Image {
  const { origin, entry, bytes, bits, bitsStated, symbols, lines, sources } = asObject(value, where)
  if ((bits !== 16 && bits !== 32 && bits !== 64) || typeof bitsStated !== 'boolean') throw damaged(where, 'its mode is missing')
  const symbolRows = unpackRows(SYMBOL_FIELDS, symbols, where)
  if (symbolRows.some(({ kind }) => kind !== 'label' && kind !== 'constant')) throw damaged(where, 'a symbol has no kind')
  return {
    origin: asCount(origin, where),
    entry: asCount(entry, where),
    bytes: asBytes(bytes, where),
    bits,
    bitsStated,
    symbols: symbolRows as unknown as ImageSymbol[],
    lines: unpackRows(LINE_FIELDS, lines, where) as unknown as ImageLine[],
    sources: asArray(sources, where).map(source => {
      const [file, text] = asArray(source, where, 2)
      return { file: asText(file, where), text: asText(text, where) }
    }),
  }
}
