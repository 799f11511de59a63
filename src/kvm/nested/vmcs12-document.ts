/** The layout of vmcs12 in words: what `docs/vmcs12-layout.md` holds. */

import { VMCS_FIELDS } from '../../spec/vmcs-fields.ts'
import { VMCS12_OFFSETS, VMCS12_REVISION, VMCS12_SIZE, vmcs12Width } from './vmcs12.ts'

const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`

export function vmcs12Document(): string {
  const rows = [...VMCS12_OFFSETS].map(
    ([name, offset]) =>
      `| ${offset} | ${8 * vmcs12Width(name)} | \`${name}\` | ${hex(VMCS_FIELDS[name].encoding, 4)} | ${VMCS_FIELDS[name].sdm} |`,
  )
  return `# The layout of vmcs12

A guest hypervisor's VMCS, as KVM keeps it: revision identifier ${hex(VMCS12_REVISION, 8)}, ${VMCS12_SIZE} bytes. The revision identifier lies at
offset 0, the VMX-abort indicator at 4, the launch state at 8. Bytes that no row names are padding. Offsets never move: a vCPU's
nested state may come from another host. \`npm run docs\` writes this file from the table in \`src/kvm/nested/vmcs12.ts\`.

| offset | bits | field | encoding | the SDM's name |
| ---: | ---: | --- | --- | --- |
${rows.join('\n')}
`
}
