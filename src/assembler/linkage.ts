/** GLOBAL and EXTERN: what an object file shares with others. A flat binary has nobody to share with. */

import type { Attribute, DirectiveNode } from './ast.ts'
import { placeOf } from './evaluate.ts'
import { type Assembly, type GlobalName, isObject } from './state.ts'
import { defineExtern, didYouMean, qualified, report } from './symbols.ts'
import type { Token } from './tokens.ts'

const TYPES: Readonly<Record<string, GlobalName['type']>> = { notype: 'notype', function: 'function', data: 'data', object: 'data' }
const VISIBILITIES: ReadonlySet<string> = new Set(['default', 'internal', 'hidden', 'protected'])

export function globalDirective(node: DirectiveNode, tokens: readonly Token[], assembly: Assembly): void {
  for (const attribute of node.attributes) {
    const token = tokens[attribute.name]!
    const { type, visibility } = linkageOf(attribute, tokens, assembly)
    assembly.globals.set(qualified(token.text, assembly.scope), { type, visibility, span: token, scope: assembly.scope })
  }
}

function linkageOf({ words }: Attribute, tokens: readonly Token[], assembly: Assembly): Pick<GlobalName, 'type' | 'visibility'> {
  let type: GlobalName['type'] = 'notype'
  let visibility: GlobalName['visibility'] = 'default'
  for (const at of words) {
    const word = tokens[at]!
    const text = word.text.toLowerCase()
    if (TYPES[text]) type = TYPES[text]
    else if (VISIBILITIES.has(text)) visibility = text as GlobalName['visibility']
    else {
      report(assembly, 'E0502', `\`${word.text}\` says nothing about a global name`, word, {
        hint: didYouMean(assembly, text, () => [...Object.keys(TYPES), ...VISIBILITIES]),
        help: ['a type is function, data or notype, a visibility default, internal, hidden or protected'],
      })
    }
  }
  return { type, visibility }
}

export function externDirective(node: DirectiveNode, tokens: readonly Token[], assembly: Assembly): void {
  if (!isObject(assembly.format)) {
    report(assembly, 'E0114', 'flat binary output cannot refer to other files: `extern` is not supported', placeOf(node, tokens), {
      help: ['%include the file that defines the name, or make an object with `-f elf64`'],
    })
    return
  }
  for (const { name } of node.attributes) defineExtern(assembly, tokens[name]!)
}

/** A name that is to be seen from outside must be there. */
export function checkGlobals(assembly: Assembly): void {
  for (const [name, { span }] of assembly.globals) {
    const entry = assembly.symbols.get(name)
    if (entry !== undefined && entry.pass === assembly.pass) continue
    report(assembly, 'E0110', `\`${name}\` is global and is not defined`, span, {
      hint: didYouMean(assembly, name, () => [...assembly.symbols.keys()]),
      help: ['`extern` says that another file defines a name'],
    })
  }
}
