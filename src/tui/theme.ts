/**
 * How each tone looks, as escape sequences. `16` uses the terminal's own colours and so follows its theme; `dark` and `light` bring
 * theirs, out of 256; `monochrome` has bold and reverse only. What colour tells, the text tells too.
 */

import { ascii, type Line, type Tone } from './lines.ts'
import type { ThemeName } from './model.ts'

type Theme = Readonly<Record<Tone, string>>

const PLAIN: Theme = {
  plain: '',
  dim: '',
  strong: '1',
  title: '',
  focus: '1',
  current: '7',
  changed: '1',
  exit: '',
  timer: '',
  interrupt: '',
  warning: '1;7',
  key: '1',
  hit: '4',
  level0: '',
  level1: '',
  level2: '',
  removed: '',
  added: '',
}

const SIXTEEN: Theme = {
  ...PLAIN,
  dim: '2',
  title: '2',
  focus: '1;36',
  exit: '33',
  timer: '36',
  interrupt: '35',
  warning: '1;31',
  key: '1;36',
  changed: '1;33',
  level0: '33',
  level1: '32',
  level2: '34',
  removed: '31',
  added: '32',
}

const colour = (number: number): string => `38;5;${number}`

const DARK: Theme = {
  ...PLAIN,
  plain: colour(252),
  dim: colour(245),
  title: colour(240),
  focus: `1;${colour(80)}`,
  current: `1;${colour(231)};48;5;24`,
  changed: `1;${colour(221)}`,
  exit: colour(215),
  timer: colour(80),
  interrupt: colour(177),
  warning: `1;${colour(203)}`,
  key: `1;${colour(80)}`,
  strong: `1;${colour(255)}`,
  hit: `4;${colour(252)}`,
  level0: colour(215),
  level1: colour(114),
  level2: colour(75),
  removed: colour(203),
  added: colour(114),
}

const LIGHT: Theme = {
  ...PLAIN,
  plain: colour(236),
  dim: colour(243),
  title: colour(248),
  focus: `1;${colour(24)}`,
  current: `1;${colour(16)};48;5;153`,
  changed: `1;${colour(130)}`,
  exit: colour(130),
  timer: colour(24),
  interrupt: colour(90),
  warning: `1;${colour(124)}`,
  key: `1;${colour(24)}`,
  strong: `1;${colour(16)}`,
  hit: `4;${colour(236)}`,
  level0: colour(130),
  level1: colour(28),
  level2: colour(25),
  removed: colour(124),
  added: colour(28),
}

const BY_NAME: Readonly<Record<ThemeName, Theme>> = { dark: DARK, light: LIGHT, '16': SIXTEEN, monochrome: PLAIN }

/** A line as the terminal gets it. Blanks at its end are left out, except where they show. */
export function styledText(line: Line, theme: ThemeName, isAscii = false): string {
  const tones = BY_NAME[theme]
  let end = line.length
  let last = ''
  while (end > 0) {
    const { text, tone } = line[end - 1]!
    last = tone === 'current' ? text : text.trimEnd()
    if (last !== '') break
    end--
  }
  let styled = ''
  for (let at = 0; at < end; at++) {
    const { text, tone } = line[at]!
    const shown = at === end - 1 ? last : text
    const codes = tones[tone]
    styled += codes === '' ? shown : `\x1b[${codes}m${shown}\x1b[0m`
  }
  return isAscii ? ascii(styled) : styled
}

/** What to begin with: no colours where they are not wanted. */
export const themeFor = (env: Readonly<Record<string, string | undefined>>): ThemeName =>
  (env.NO_COLOR ?? '') === '' ? '16' : 'monochrome'
