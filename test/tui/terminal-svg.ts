/** What stands on a virtual terminal as a picture: text with its colours, in SVG. */

import type xterm from '@xterm/headless'

type Cell = NonNullable<ReturnType<InstanceType<typeof xterm.Terminal>['buffer']['active']['getNullCell']>>

const CELL = { width: 8.4, height: 18 } as const
const PAD = 10
const BACKGROUND = '#1c1f26'
const FOREGROUND = '#d0d0d0'

const SIXTEEN = [
  ...['#1c1f26', '#d7605c', '#7fb573', '#d8a657', '#6f9fd8', '#b48ad0', '#5fb3b3', '#d0d0d0'],
  ...['#686c75', '#ff7a76', '#98d58a', '#ffd080', '#8fbfff', '#d7a8f5', '#80d8d8', '#ffffff'],
]

const hexByte = (value: number): string => value.toString(16).padStart(2, '0')
const rgb = (red: number, green: number, blue: number): string => `#${hexByte(red)}${hexByte(green)}${hexByte(blue)}`

/** Of the 256 colours: sixteen, a cube of 6x6x6, 24 greys. */
function paletteColour(index: number): string {
  if (index < 16) return SIXTEEN[index]!
  if (index >= 232) return rgb(...([8 + 10 * (index - 232), 8 + 10 * (index - 232), 8 + 10 * (index - 232)] as const))
  const level = (step: number): number => (step === 0 ? 0 : 55 + 40 * step)
  const at = index - 16
  return rgb(level(Math.floor(at / 36)), level(Math.floor(at / 6) % 6), level(at % 6))
}

interface Style {
  readonly colour: string
  readonly background: string
  readonly bold: boolean
  readonly dim: boolean
}

function styleOf(cell: Cell): Style {
  const colour = cell.isFgPalette() ? paletteColour(cell.getFgColor()) : FOREGROUND
  const background = cell.isBgPalette() ? paletteColour(cell.getBgColor()) : BACKGROUND
  const [front, back] = cell.isInverse() ? [background, colour] : [colour, background]
  return { colour: front, background: back, bold: cell.isBold() !== 0, dim: cell.isDim() !== 0 }
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

interface Run {
  readonly style: Style
  readonly left: number
  text: string
}

/** Cells of one style in a row belong together. */
function runsOf(terminal: InstanceType<typeof xterm.Terminal>, row: number): Run[] {
  const line = terminal.buffer.active.getLine(terminal.buffer.active.baseY + row)!
  const runs: Run[] = []
  for (let column = 0; column < terminal.cols; column++) {
    const cell = line.getCell(column)!
    const style = styleOf(cell)
    const text = cell.getChars() || ' '
    const last = runs.at(-1)
    if (last !== undefined && JSON.stringify(last.style) === JSON.stringify(style)) last.text += text
    else runs.push({ style, left: column, text })
  }
  return runs
}

function runSvg({ style, left, text }: Run, row: number): string {
  const [x, y, width] = [PAD + left * CELL.width, PAD + row * CELL.height, text.length * CELL.width].map(value => Number(value.toFixed(1)))
  const back =
    style.background === BACKGROUND ? '' : `<rect x="${x}" y="${y}" width="${width}" height="${CELL.height}" fill="${style.background}"/>`
  if (text.trim() === '') return back
  const marks = `${style.bold ? ' font-weight="bold"' : ''}${style.dim ? ' opacity="0.6"' : ''}`
  return `${back}<text x="${x}" y="${y! + 13}" textLength="${width}" fill="${style.colour}"${marks} xml:space="preserve">${escaped(text)}</text>`
}

export function terminalSvg(terminal: InstanceType<typeof xterm.Terminal>): string {
  const [width, height] = [2 * PAD + terminal.cols * CELL.width, 2 * PAD + terminal.rows * CELL.height].map(Math.ceil)
  const rows = Array.from({ length: terminal.rows }, (_, row) =>
    runsOf(terminal, row)
      .map(run => runSvg(run, row))
      .join(''),
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14">
<rect width="${width}" height="${height}" rx="8" fill="${BACKGROUND}"/>
${rows.join('\n')}
</svg>
`
}
