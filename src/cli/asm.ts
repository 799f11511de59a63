/** `vtick asm`: sources to flat binaries, objects and executables; listings, dependencies, and diagnostics as text or as data. */

import { parse } from 'node:path'
import type { AssembleResult } from '../assembler/assemble.ts'
import type { Diagnostic } from '../assembler/diagnostics.ts'
import { diagnosticsJson } from '../assembler/diagnostics-json.ts'
import { renderDiagnostics } from '../assembler/render-diagnostics.ts'
import type { OutputFormat } from '../assembler/state.ts'
import { underPolicy } from '../assembler/warnings.ts'
import { paintDiagnostics } from './colour.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import { refuseOverwriting, writeFileNamed } from './files.ts'
import { assembleQuietly, doesNotAssemble, sourceText } from './source.ts'
import type { CommonOptions, Terminal } from './terminal.ts'
import { warningPolicy } from './warning-options.ts'

export interface AsmCommandOptions extends CommonOptions {
  readonly format?: OutputFormat
  readonly output?: string
  readonly listing?: string
  readonly define?: Readonly<Record<string, string>>
  readonly include?: readonly string[]
  /** -g. */
  readonly debug?: boolean
  /** -E. */
  readonly preprocess?: boolean
  /** -M, and -MD as `D`. */
  readonly dependencies?: true | string
  /** -w. */
  readonly warnings?: readonly string[]
  /** -W error. */
  readonly warningsAre?: readonly string[]
  readonly json?: boolean
}

type Result = AssembleResult & { readonly inputs: readonly string[] }

export function asmCommand(terminal: Terminal, named: readonly string[], given: AsmCommandOptions): ExitCode {
  const [files, options] = sorted(named, given)
  const { output, listing } = options
  if (files.length === 0) throw usageError('no source is named', 'write it behind the options: `vtick asm timer.asm`')
  if (files.length > 1 && (output !== undefined || listing !== undefined))
    throw usageError('-o and -l name one file, and there are several sources', 'assemble them one by one, or leave -o and -l out')
  if (output === '-' && listing === '-') throw usageError('both the binary and the listing go to `-`', 'put one of them in a file')
  if (options.json && (output === '-' || listing === '-'))
    throw usageError('--json speaks on stdout, and `-` sends something else there', 'name a file with -o or -l')
  for (const file of files) assembleOne(terminal, file, options)
  return EXIT.fine
}

/** `-M timer.asm` reads as if the file belonged to the option: -MD is the only word that does. */
function sorted(files: readonly string[], options: AsmCommandOptions): readonly [readonly string[], AsmCommandOptions] {
  const { dependencies } = options
  if (typeof dependencies !== 'string' || dependencies === 'D') return [files, options]
  return [[dependencies, ...files], { ...options, dependencies: true }]
}

function assembleOne(terminal: Terminal, file: string, options: AsmCommandOptions): void {
  const { io } = terminal
  const result = assembleQuietly(terminal, file, sourceText(terminal, file), options)
  const policed = underPolicy(result.diagnostics, warningPolicy(options.warnings, options.warningsAre))
  const diagnostics = options.preprocess ? policed.filter(isOfPreprocessor) : policed
  if (options.json) terminal.print(JSON.stringify(diagnosticsJson(diagnostics, result.sources)))
  else if (diagnostics.length > 0) io.stderr.write(paintDiagnostics(renderDiagnostics(diagnostics, result.sources), terminal.wordColours))
  if (diagnostics.some(({ severity }) => severity === 'error')) throw doesNotAssemble(file)
  if (options.preprocess) writeFileNamed(io, options.output ?? '-', result.expanded())
  else if (options.dependencies === true) writeFileNamed(io, options.output ?? '-', dependencyRule(file, result, options))
  else writeResults(terminal, file, result, options)
}

/** The text, macros, files and limits: what -E alone may complain about. */
const isOfPreprocessor = ({ code }: Diagnostic): boolean => /^(E010[1-4]|E04|W04|E0603|E0606)/.test(code)

function writeResults(terminal: Terminal, file: string, result: Result, options: AsmCommandOptions): void {
  const { io } = terminal
  const { output, listing } = options
  const place = output ?? defaultOutput(file, options)
  const rule = options.dependencies === undefined ? undefined : dependencyPlace(place)
  for (const written of [place, listing, rule]) if (written !== undefined) refuseOverwriting(io, written, result.inputs)
  const bytes = result.output()!
  writeFileNamed(io, place, bytes)
  if (listing !== undefined) writeFileNamed(io, listing, result.listing())
  if (rule !== undefined) writeFileNamed(io, rule, dependencyRule(file, result, options))
  if (output !== undefined || options.json) return
  const isFlat = (options.format ?? 'bin') === 'bin'
  terminal.say(`${file} -> ${place}: ${bytes.length} bytes${isFlat ? ` at 0x${result.image!.origin.toString(16)}` : ''}`)
}

const EXTENSIONS: Readonly<Record<OutputFormat, string>> = { bin: '.bin', elf64: '.o', elf32: '.o', exec: '.elf' }

/** `timer.asm` becomes `timer.bin` beside it. */
function defaultOutput(file: string, { format = 'bin' }: AsmCommandOptions): string {
  if (file === '-') return '-'
  const { dir, name } = parse(file)
  return `${dir === '' ? '' : `${dir}/`}${name}${EXTENSIONS[format]}`
}

/** `timer.bin` has its rule in `timer.d`. */
function dependencyPlace(output: string): string {
  if (output === '-') throw usageError('-MD writes beside the output, which goes to `-`', 'name a file with -o')
  const { dir, name } = parse(output)
  return `${dir === '' ? '' : `${dir}/`}${name}.d`
}

/** A rule for make: the output and all that it was made from. */
function dependencyRule(file: string, { inputs }: Result, options: AsmCommandOptions): string {
  const target = options.dependencies === true ? defaultOutput(file, options) : (options.output ?? defaultOutput(file, options))
  const escaped = (name: string) => name.replaceAll(' ', '\\ ').replaceAll('$', '$$$$')
  return `${escaped(target)}: ${inputs.map(escaped).join(' ')}\n`
}
