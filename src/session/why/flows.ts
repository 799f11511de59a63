/** From what an instruction wrote to what it read: the step that most chains take most often. */

import { formatLocation } from '../../query/location.ts'
import type { EventOf } from '../../spec/trace-events.ts'
import { instructionAt } from '../instruction-at.ts'
import { levelOf } from '../timeline-guest.ts'
import { hex } from './chain.ts'
import type { Flow, Source } from './dataflow.ts'
import { type Edge, hostProbe, type Probe, registerProbe } from './last-write.ts'
import { type Answer, type Scene, Scenes, type Search, TooFar } from './scenes.ts'
import { INTERRUPT, locationOf, operandText, sameSource } from './words.ts'

export class Flows extends Scenes {
  /** From what an instruction computed to what it read. */
  *flow(scene: Scene, flow: Flow, text = this.textOf(scene)): Search<Answer> {
    const variables = flow.sources.filter(({ kind }) => kind === 'register' || kind === 'memory')
    const distinct = variables.filter((source, i) => variables.findIndex(other => sameSource(other, source)) === i)
    if (distinct.length === 0 && flow.sources.some(({ kind }) => kind === 'flags')) {
      this.at(scene, text, { note: 'from the flags' })
      return { target: { kind: 'system', name: 'rflags' }, from: scene.written.before }
    }
    if (distinct.length === 0) {
      this.at(scene, text, { note: 'a constant in the source' })
      return (yield* this.#handlerOf(scene)) ?? { end: 'constant' }
    }
    if (flow.isMoved || distinct.length === 1) {
      this.at(scene, flow.isMoved ? text : `${text}  = ${hex(flow.value)}`)
      return this.ask(scene, distinct[0]!)
    }
    this.at(scene, `${text}  = ${distinct.map(source => operandText(source)).join(', ')}`)
    const locations = distinct.map(locationOf)
    for (const source of distinct) yield* this.#leaf(scene, source)
    return { end: 'operands', operands: locations }
  }

  /** One line about where an operand is from. */
  *#leaf(scene: Scene, source: Source): Search<void> {
    const question = this.ask(scene, source)
    if (!('target' in question)) return
    const { target, from } = question
    const { cpu } = this
    const probe =
      target.kind === 'register'
        ? registerProbe(this.cpu, target.index)
        : target.kind === 'memory'
          ? hostProbe(target.host, target.bytes)
          : undefined
    const found = probe && (yield* this.#sceneNear(from, probe))
    if (found === undefined) return
    const exit = found.written.instruction === null ? this.exitIn(found.written) : undefined
    this.at(found, `${formatLocation(locationOf(source))} <- ${this.textOf(found)}`, {
      depth: 1,
      ...(exit ? { note: `${exit.name}, by KVM` } : {}),
    })
    this.cpu = cpu
    yield* this.standAt(scene.written)
  }

  /** What lies too far back is left out; asking about it will say so. */
  *#sceneNear(from: Edge, probe: Probe): Search<Scene | undefined> {
    try {
      return yield* this.scene(from, probe)
    } catch (thrown) {
      if (thrown instanceof TooFar) return undefined
      throw thrown
    }
  }

  /** The interrupt in whose handler a constant was written: what made the code run. */
  *#handlerOf({ written, level }: Scene): Search<Answer | undefined> {
    const { kinds, reader } = this.timeline
    let index = written.before.events - 1
    for (index = kinds.find(INTERRUPT, index, -1); index >= 0; index = kinds.find(INTERRUPT, index - 1, -1)) {
      const { level: taken, cpu } = reader.event(index)
      if (taken === level && cpu === this.cpu) break
    }
    if (index < 0) return undefined
    yield* this.timeline.seekEvent(index)
    const instructions = this.timeline.instructionOfEvent(index)
    yield* this.timeline.seek({ instructions, events: index + 1 })
    let hasReturned = false
    yield* this.timeline.scan(written.before, engine => {
      if (engine.index === this.cpu && levelOf(engine.machine, engine.index) === level)
        hasReturned ||= instructionAt(engine)?.row.mnemonic.startsWith('IRET') === true
      return hasReturned
    })
    if (hasReturned) return undefined
    const { vector } = reader.event(index) as EventOf<'interrupt'>
    const last = this.steps.pop()!
    this.steps.push({ ...last, note: `${last.note}, in the handler of vector ${hex(vector)}` })
    return { target: { kind: 'irq', vector }, from: { instructions, events: index + 1 } }
  }
}
