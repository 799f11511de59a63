/** The pictures of the documentation are what the explorer shows, and the tour tells the truth. */

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { TOUR, takeTour } from './pictures.ts'

const file = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

it('the tour finds out why no MSR_WRITE exit is taken, in at most eight keys, and its pictures are the screens', async () => {
  const pictures = await takeTour()
  expect(TOUR.flatMap(({ keys }) => [...keys]).length).toBeLessThanOrEqual(8)
  const [diff, there, armed, vmcs, why] = pictures.map(({ text }) => text)
  expect(diff).toContain('cause: apic_timer_virt false -> true')
  expect(diff).toMatch(/exits: L1 MSR_WRITE 6e0 \(IA32_TSC_DEADLINE\) 3 -> 0/)
  expect(there).toContain('on.vtrace')
  expect(armed).toMatch(/> *\d+ L1 +arm /)
  expect(armed).toMatch(/wrmsr +\[no exit\]/)
  expect(vmcs).toContain('GUEST_APIC_TIMER')
  expect(why).toMatch(/msr 6e0 <- \w+ +wrmsr +examples\/deadline-busy.asm:\d+/)
  for (const { file: name, svg } of pictures) expect(svg, `${name}: npm run pictures`).toBe(file(`docs/pictures/${name}`))
  for (const { file: name } of pictures) expect(file('docs/tour.md')).toContain(`pictures/${name}`)
})
