/**
 * Two 8259A interrupt controllers, the second on line 2 of the first (Intel 8259A data sheet), with the edge/level registers that the PC
 * added at 0x4D0 and 0x4D1. Modelled: the initialisation words, masks, specific, non-specific and automatic EOI, rotation, special
 * mask, poll, and special fully nested mode. The 8080 call mode is not there: an initialisation word cannot ask for it.
 */

import { bit } from '../base/bits.ts'

export interface Pic {
  /** Levels of the input lines. */
  lines: number
  requests: number
  inService: number
  mask: number
  /** A set bit: this line is level-triggered. */
  level: number
  vectorBase: number
  /** The line with the highest priority. */
  first: number
  /** Initialisation word that the data port expects: 2, 3 or 4; 0 when initialised. */
  expects: number
  expectsFourth: boolean
  single: boolean
  automaticEoi: boolean
  rotateOnAutomaticEoi: boolean
  specialMask: boolean
  specialFullyNested: boolean
  readsInService: boolean
  poll: boolean
}

/** First and second. */
export type PicPair = [Pic, Pic]

export const CASCADE_LINE = 2
const LINES = 8

const newPic = (vectorBase: number): Pic => ({
  lines: 0,
  requests: 0,
  inService: 0,
  mask: 0xff,
  level: 0,
  vectorBase,
  first: 0,
  expects: 0,
  expectsFourth: false,
  single: false,
  automaticEoi: false,
  rotateOnAutomaticEoi: false,
  specialMask: false,
  specialFullyNested: false,
  readsInService: false,
  poll: false,
})

/** As firmware leaves them: initialised at 0x08 and 0x70, everything masked. */
export const newPics = (): PicPair => [newPic(0x08), newPic(0x70)]

/** Lines that must be edge-triggered: the timer, the keyboard, the cascade; the clock and the coprocessor. */
const LEVEL_ALLOWED = [0xf8, 0xde] as const

/** How many lines go before the first one set in `bits`, in the order of priority; 8 when none is. */
function rank(pic: Pic, bits: number): number {
  for (let place = 0; place < LINES; place++) if (bit(bits, (pic.first + place) & 7)) return place
  return LINES
}

/** The line whose request goes to the CPU, -1 for none. */
function requested(pic: Pic, isFirst: boolean): number {
  const place = rank(pic, pic.requests & ~pic.mask)
  if (place === LINES) return -1
  let inService = pic.inService
  if (pic.specialMask) inService &= ~pic.mask
  // In special fully nested mode the second controller may interrupt itself through the first.
  if (pic.specialFullyNested && isFirst) inService &= ~(1 << CASCADE_LINE)
  return place < rank(pic, inService) ? (pic.first + place) & 7 : -1
}

function setPicLine(pic: Pic, line: number, high: boolean): void {
  const mask = 1 << line
  const wasHigh = (pic.lines & mask) !== 0
  pic.lines = high ? pic.lines | mask : pic.lines & ~mask
  // A request goes away with its line before it is acknowledged: then the acknowledgement finds a spurious line 7.
  if (!high) pic.requests &= ~mask
  else if (!wasHigh || (pic.level & mask) !== 0) pic.requests |= mask
}

/** The second controller's output is line 2 of the first. */
function connect([first, second]: PicPair): void {
  setPicLine(first, CASCADE_LINE, requested(second, false) >= 0)
}

/** One of the sixteen lines changes its level. */
export function setPicInput(pics: PicPair, line: number, high: boolean): void {
  setPicLine(pics[line >> 3]!, line & 7, high)
  connect(pics)
}

/** Whether INTR is asserted. */
export const picRequestsInterrupt = ([first]: PicPair): boolean => requested(first, true) >= 0

/** An interrupt-acknowledge cycle: the vector, of line 7 when there is no request any more. */
export function acknowledgePic(pics: PicPair): number {
  const [first, second] = pics
  const line = acknowledgeOne(first, true)
  const vector = line === CASCADE_LINE ? second.vectorBase + acknowledgeOne(second, false) : first.vectorBase + line
  connect(pics)
  return vector
}

function acknowledgeOne(pic: Pic, isFirst: boolean): number {
  const line = requested(pic, isFirst)
  if (line < 0) return 7 // spurious: nothing goes into service
  const mask = 1 << line
  if (!pic.automaticEoi) pic.inService |= mask
  else if (pic.rotateOnAutomaticEoi) pic.first = (line + 1) & 7
  if ((pic.level & mask) === 0) pic.requests &= ~mask
  return line
}

/** `register` 0 is the command port, 1 the data port. */
export function readPic(pics: PicPair, which: 0 | 1, register: number): number {
  const pic = pics[which]
  if (pic.poll) {
    pic.poll = false
    const pending = requested(pic, which === 0) >= 0
    const line = acknowledgeOne(pic, which === 0)
    connect(pics)
    return pending ? 0x80 | line : 0
  }
  if (register === 1) return pic.mask
  return pic.readsInService ? pic.inService : pic.requests
}

export function writePic(pics: PicPair, which: 0 | 1, register: number, value: number): void {
  const pic = pics[which]
  if (register === 1) writeData(pic, value)
  else if (bit(value, 4)) initialise(pic, value)
  else if (bit(value, 3)) writeModes(pic, value)
  else writeEoi(pic, value)
  connect(pics)
}

/** ICW1: edges are forgotten, the mask is cleared, and the other words follow at the data port. */
function initialise(pic: Pic, word: number): void {
  Object.assign(pic, {
    ...newPic(pic.vectorBase),
    lines: pic.lines,
    level: pic.level,
    requests: pic.lines & pic.level,
    mask: 0,
    expects: 2,
    expectsFourth: bit(word, 0),
    single: bit(word, 1),
  })
}

function writeData(pic: Pic, value: number): void {
  switch (pic.expects) {
    case 2:
      pic.vectorBase = value & 0xf8
      pic.expects = pic.single ? (pic.expectsFourth ? 4 : 0) : 3
      return
    case 3:
      pic.expects = pic.expectsFourth ? 4 : 0
      return
    case 4:
      pic.automaticEoi = bit(value, 1)
      pic.specialFullyNested = bit(value, 4)
      pic.expects = 0
      return
    default:
      pic.mask = value
  }
}

/** OCW3: what the command port reads, poll, special mask. */
function writeModes(pic: Pic, word: number): void {
  if (bit(word, 2)) pic.poll = true
  if (bit(word, 1)) pic.readsInService = bit(word, 0)
  if (bit(word, 6)) pic.specialMask = bit(word, 5)
}

/** OCW2: bit 7 rotates, 6 names a line, 5 ends an interrupt. */
function writeEoi(pic: Pic, word: number): void {
  const rotates = bit(word, 7)
  const isSpecific = bit(word, 6)
  if (!bit(word, 5)) {
    if (isSpecific && rotates) pic.first = ((word & 7) + 1) & 7
    else if (!isSpecific) pic.rotateOnAutomaticEoi = rotates
    return
  }
  const line = isSpecific ? word & 7 : highestInService(pic)
  if (line < 0) return
  pic.inService &= ~(1 << line)
  if (rotates) pic.first = (line + 1) & 7
}

function highestInService(pic: Pic): number {
  const place = rank(pic, pic.specialMask ? pic.inService & ~pic.mask : pic.inService)
  return place === LINES ? -1 : (pic.first + place) & 7
}

export const readElcr = (pics: PicPair, which: 0 | 1): number => pics[which].level

export function writeElcr(pics: PicPair, which: 0 | 1, value: number): void {
  pics[which].level = value & LEVEL_ALLOWED[which]
}
