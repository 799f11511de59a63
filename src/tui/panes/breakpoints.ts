/** The breakpoints, one a row. */

import { breakpointText } from '../journeys.ts'
import { type Line, span } from '../lines.ts'
import type { Model } from '../model.ts'
import type { OverlayScreen } from '../overlay-screen.ts'

const row = (line: Line) => ({ line, target: null })

export function breakpointsScreen({ breakpoints, trace }: Model): OverlayScreen {
  const words: Line = [span('   b, :break EXPRESSION and :watch LOCATION set one', 'dim')]
  return {
    title: 'breakpoints',
    rows: [
      row(words),
      ...breakpoints.map(point =>
        point.kind === 'expression' && trace.select(point.text).trouble === undefined
          ? row([span(`   ${breakpointText(point)}`, 'exit'), span(`  ${trace.select(point.text).count} events`, 'dim')])
          : row([span(`   ${breakpointText(point)}`)]),
      ),
    ],
  }
}
