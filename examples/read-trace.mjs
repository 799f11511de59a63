// A reader of .vtrace files that shares nothing with vtick but docs/trace-format.md: node examples/read-trace.mjs T.vtrace
// prints every event as one JSON object a line. It needs a msgpack library, and Node's zlib and crypto.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { crc32, inflateRawSync } from 'node:zlib'
import { Unpackr } from 'msgpackr'

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'bigint' })
const WIDTH = { u8: 1, u16: 2, u32: 4, u64: 8, count: 8 }

/** Value i of byte planes: bin[p * n + i] << 8p, summed up. */
function planes(bin, n, width) {
  return Array.from({ length: n }, (_, i) => {
    let value = 0n
    for (let p = width - 1; p >= 0; p--) value = (value << 8n) | BigInt(bin[p * n + i])
    return value
  })
}

const column = (type, data, n) => {
  if (!(type in WIDTH)) return type === 'bytes' ? data.map(bin => [...bin]) : data
  const values = planes(data, n, WIDTH[type])
  return type === 'u64' ? values : values.map(Number)
}

function* events(raw) {
  const [n, kinds, cpus, levels, ticks, tables] = unpackr.unpack(raw)
  const rows = tables.map(([kind, layout, columns], t) => {
    const count = kinds.reduce((sum, k) => sum + (k === t ? 1 : 0), 0)
    const fields = layout === '' ? [] : layout.split(' ').map(field => field.split(':'))
    return { kind, fields: fields.map(([name, type], f) => [name, column(type, columns[f], count)]), next: 0 }
  })
  let tick = 0n
  for (const [i, difference] of planes(ticks, n, 8).entries()) {
    tick += BigInt.asIntN(64, difference)
    const table = rows[kinds[i]]
    const row = table.next++
    const fields = Object.fromEntries(table.fields.map(([name, values]) => [name, values[row]]))
    yield { kind: table.kind, tick: Number(tick), cpu: cpus[i], level: levels[i], ...fields }
  }
}

const file = readFileSync(process.argv[2])
if (file.toString('latin1', 1, 7) !== 'VTRACE' || crc32(file.subarray(0, 12)) !== file.readUInt32LE(12)) throw new Error('not a trace')
let identity = Buffer.alloc(32)
for (let at = 16; at + 24 <= file.length; ) {
  const type = file.toString('latin1', at, at + 4)
  const stored = file.readUInt32LE(at + 8)
  const payload = file.subarray(at + 24, at + 24 + stored)
  if (crc32(file.subarray(at, at + 20)) !== file.readUInt32LE(at + 20) || crc32(payload) !== file.readUInt32LE(at + 16))
    throw new Error(`the block at byte ${at} is damaged`)
  if (type === 'INDX') break
  const raw = inflateRawSync(payload)
  identity = createHash('sha256').update(identity).update(type).update(raw).digest()
  const text = (_, value) => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value)
  if (type === 'EVTS') for (const event of events(raw)) console.log(JSON.stringify(event, text))
  at += 24 + stored
}
console.error(`identity ${identity.toString('hex')}`)
