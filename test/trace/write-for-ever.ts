/** Records events into the file named until it is killed: a process of its own for the tests of that. */

import { createTraceWriter, openTraceFile } from '../../src/trace/file.ts'
import { event, keyframeAt, sampleHeader } from './samples.ts'

const writer = createTraceWriter(openTraceFile(process.argv[2]!), sampleHeader)
for (let tick = 0; ; tick++) {
  if (tick % 100 === 0) writer.keyframe(keyframeAt(tick))
  writer.event(event('kvm_entry', { rip: BigInt(tick) }, { tick }))
}
