/** Writes `docs/vmcs12-layout.md` from the table that KVM uses. */

import { writeFileSync } from 'node:fs'
import { vmcs12Document } from '../src/kvm/nested/vmcs12-document.ts'

writeFileSync(new URL('../docs/vmcs12-layout.md', import.meta.url), vmcs12Document())
