/**
 * A kernel (`test/programs/machine`) that examines the machine in the manner of kvm-unit-tests: exceptions, debug registers, ring 3, paging, MSRs,
 * extended state, local APIC and its timer, I/O APIC, clocks, several CPUs. It prints a FAIL line for what the manuals have otherwise, and all that
 * holds in QEMU (TCG, `qemu.txt`) must hold here. QEMU fails some checks and skips others, since it does not implement those rules.
 */

import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { binaryImage } from '../../src/cli/boot-options.ts'
import { resolveRunConfig } from '../../src/session/config.ts'
import { drive, startRun } from '../../src/session/guest-run.ts'
import { isFull } from '../slice.ts'

const FOLDER = join(import.meta.dirname, '../programs/machine')
const image = binaryImage(readFileSync(join(FOLDER, 'machine.elf')), 0x10_0000)

/** What QEMU passed with this number of CPUs. */
const passedInQemu = (cpus: number): readonly string[] =>
  readFileSync(join(FOLDER, 'qemu.txt'), 'utf8')
    .split('=== ')
    .find(part => part.startsWith(`${cpus}\n`))!
    .split('\n')
    .slice(1, -1)

function run(cpus: number, bare: boolean, commandLine: string) {
  const boot = { kind: 'protected', commandLine, modules: [] } as const
  const guest = startRun(resolveRunConfig({ bare, cpus, boot, guestMemoryMiB: 16 }), image)
  const bytes: number[] = []
  guest.machine.observe = event => {
    if (event.kind === 'console') bytes.push(event.byte)
  }
  const end = drive(guest, 5_000_000)
  return { end, lines: Buffer.from(bytes).toString('latin1').split('\n') }
}

/** The default CPU model has no AVX. */
const NO_AVX = ['nor AVX without SSE', 'all three are taken', 'then the area has 832 bytes'].map(what => `PASS: XSAVE: ${what}`)
/** KVM does not emulate the error status register. */
const NO_ERROR_STATUS = 'PASS: errors: none at first'
/** KVM hides MONITOR and MWAIT from its guest, which leaves these checks out then. */
const isOfMwait = (line: string): boolean => line.includes('MWAIT')

const all = [1, 2, 4].flatMap(cpus => [true, false].map(bare => ({ cpus, bare, words: 'verbose' })))
const some = [
  { cpus: 2, bare: true, words: 'verbose' },
  { cpus: 2, bare: false, words: 'quiet' }, // without PASS lines it is twice as fast
]

test.each(isFull ? all : some)('$cpus CPUs, bare: $bare, $words: what it examines holds', ({ cpus, bare, words }) => {
  const { end, lines } = run(cpus, bare, words)
  expect(lines.filter(line => line.startsWith('FAIL'))).toEqual([])
  expect(lines.at(-2)).toMatch(/^SUMMARY: 0x1[789][0-9a-f] passed, 0x0 failed$/)
  expect(end).toMatchObject({ reason: 'exit-port', status: 0 })
  if (words === 'quiet') return
  const passed = new Set(lines)
  const missing = passedInQemu(cpus).filter(line => !passed.has(line))
  expect(missing.filter(isOfMwait)).toEqual(bare ? [] : passedInQemu(cpus).filter(isOfMwait))
  expect(missing.filter(line => !isOfMwait(line))).toEqual(bare ? NO_AVX : [...NO_AVX, NO_ERROR_STATUS])
})

const canBuild = ['gcc', 'objcopy'].every(program => spawnSync(program, ['--version']).status === 0)

test.skipIf(!canBuild)('its sources build (skipped without gcc and objcopy)', () => {
  const out = join(tmpdir(), `vtick-machine-${process.pid}.elf`)
  const build = spawnSync('sh', [join(FOLDER, 'build.sh'), out], { encoding: 'utf8' })
  rmSync(out, { force: true })
  expect(build).toMatchObject({ status: 0, stderr: '' })
})
