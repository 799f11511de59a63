/** Tables as text: columns padded to the width that the terminal gives their characters. */

import stringWidth from 'string-width'

/** The rows under each other, first row first; `left` says how many columns stand left-aligned, the others stand right. */
export function textTable(rows: readonly (readonly string[])[], left: number): string {
  const widths: number[] = []
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, stringWidth(cell))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => {
        const padding = ' '.repeat(widths[i]! - stringWidth(cell))
        return i < left ? cell + padding : padding + cell
      })
      .join('  ')
      .trimEnd()
  return rows.map(line).join('\n')
}

/** A whole number with its digits in groups of three. */
export const groupedNumber = (value: number): string => String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, ' ')
