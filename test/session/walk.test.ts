/** A run walked through instruction by instruction, with one CPU and with two. */

import { describe, expect, it } from 'vitest'
import { configOf } from '../../src/session/replay.ts'
import { guestRegisters } from '../../src/session/timeline-guest.ts'
import { walk } from '../../src/session/walk.ts'
import { recorded } from '../recorded.ts'

interface Done {
  readonly rip: bigint
  readonly next: bigint | null
  readonly cpu: number
  readonly r15: bigint
}

function walked(
  path: string,
  options: Parameters<typeof recorded>[1],
): { readonly done: readonly Done[]; readonly at: (label: string) => bigint } {
  const { reader, recording } = recorded(path, options)
  const done: Done[] = []
  walk(configOf(reader), reader.header.image, { maxInstructions: recording.guest.machine.cpus.length * 1_000_000 }, ({ rip, next, view }) =>
    done.push({ rip, next, cpu: view.cpu, r15: guestRegisters(view).gpr[15]! }),
  )
  const symbols = new Map(reader.header.image.symbols.map(({ name, value }) => [name, value]))
  return { done, at: label => symbols.get(label)! }
}

describe.each([{ bare: true }, { bare: false }])('two CPUs, %o', ({ bare }) => {
  const { done, at } = walked('test/gdb/two-cpus.asm', { cpus: 2, bare })
  const visits = (label: string) => done.filter(({ rip }) => rip === at(label))

  it('each instruction is visited on the CPU that ran it, with what it left in the registers', () => {
    // What CPU 1 runs once: mov ecx, 5; mov r15, 0x77; lock inc.
    expect(visits('worker').map(({ cpu }) => cpu)).toEqual([1])
    expect(visits('told')).toEqual([{ rip: at('told'), next: at('idle'), cpu: 1, r15: 0x77n }])
    expect(visits('heard').map(({ cpu, r15 }) => [cpu, r15])).toEqual([[0, 0x11n]])
    expect(new Set(visits('waiting').map(({ cpu }) => cpu))).toEqual(new Set([0]))
  })

  it('where an instruction led is where the next one of its CPU stands', () => {
    for (const cpu of [0, 1]) {
      const own = done.filter(step => step.cpu === cpu)
      for (const [i, { next }] of own.slice(0, -1).entries()) expect(own[i + 1]!.rip, `${cpu}: ${i}`).toBe(next)
    }
  })
})

it('with one CPU every call of a recursion is visited, and the instruction that ended the run', () => {
  const { done, at } = walked('test/session/calls.asm', {})
  expect(done.filter(({ rip }) => rip === at('inner'))).toHaveLength(3)
  expect(done.filter(({ rip }) => rip === at('deepest'))).toHaveLength(3)
  expect(done.at(-1)!.next).toBeNull()
})
