/** `vtick disasm`: what it prints is a source, of flat files and of ELF files; and what it refuses. */

import { afterAll, describe, expect, it } from 'vitest'
import { Directory } from '../cli/vtick.ts'

const directory = new Directory({
  'loop.asm':
    'bits 64\norg 0x100000\nstart: mov ecx, 3\n.again: dec ecx\njnz .again\nlea rax, [rel text]\ncall far_away\nhlt\ntext: db 6, 7\nfar_away: ret\n',
  'boot.asm': 'org 0x7c00\nmov ax, 0x1234\njmp $\ntimes 510 - ($ - $$) db 0\ndb 0x55, 0xaa\n',
  'object.asm': 'extern puts\nglobal main, rax_\nsection .text\nbits 64\nmain: call puts\nret\nsection .init.text exec\nrax_: jmp main\n',
  'trace.vtrace': Uint8Array.of(0x89, 0x56, 0x54, 0x52, 0x41, 0x43, 0x45, 0x0a),
  'empty.bin': '',
  'cut.elf': Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0),
})
afterAll(() => directory.remove())

async function printed(arguments_: string, stdin: string | Uint8Array = ''): Promise<string> {
  const { code, out, err } = await directory.vtick(arguments_, { stdin })
  expect(err).toBe('')
  expect(code).toBe(0)
  return out
}

/** Assembles what disasm printed, and compares it with the file. */
async function comesBack(file: string): Promise<void> {
  const { bytes } = await directory.vtick(`asm - -o -`, { stdin: await printed(`disasm ${file}`) })
  const original = await directory.vtick(`asm ${file.replace('.bin', '.asm')} -o -`)
  expect(bytes).toEqual(original.bytes)
}

describe('a flat binary', () => {
  it('is a source with labels where it jumps to, which assembles back to the same file', async () => {
    await directory.vtick('asm loop.asm -o loop.bin')
    const text = await printed('disasm loop.bin')
    expect(text).toMatch(/^ {8}bits 64\n {8}org 0x100000\n/)
    expect(text).toContain('loc_100005:\n        dec ecx')
    expect(text).toContain('jne loc_100005')
    await comesBack('loop.bin')
  })

  it('is a boot sector when it has the size and the signature of one', async () => {
    await directory.vtick('asm boot.asm -o boot.bin')
    expect(await printed('disasm boot.bin')).toMatch(/^ {8}bits 16\n {8}org 0x7c00\n {8}mov ax, 0x1234/)
    await comesBack('boot.bin')
  })

  it('has the mode and the place that the options say', async () => {
    const text = await printed('disasm - --bits 32 --org 0x8000', Uint8Array.of(0x40, 0xe9, 0xfa, 0xff, 0xff, 0xff, 0x0f, 0xff))
    expect(text.split('\n').map(line => line.trim())).toEqual([
      'bits 32',
      'org 0x8000',
      'loc_8000:',
      expect.stringMatching(/^inc eax +; 8000 {2}40$/),
      expect.stringMatching(/^jmp near loc_8000 +; 8001 {2}e9 fa ff ff ff$/),
      expect.stringMatching(/^db 0x0f, 0xff +; 8006 {2}0f ff$/),
      '',
    ])
  })

  it('is data with --json', async () => {
    const data = JSON.parse(await printed('disasm - --bits 16 --json', Uint8Array.of(0xf4, 0x66, 0x66, 0x90)))
    expect(data).toEqual({
      version: 1,
      bits: 16,
      sections: [
        {
          name: '.text',
          address: '0x0',
          lines: [
            { address: '0x0', bytes: 'f4', label: null, text: 'hlt', comment: '' },
            { address: '0x1', bytes: '666690', label: null, text: 'db 0x66, 0x66, 0x90', comment: 'o32 nop' },
          ],
        },
      ],
    })
  })
})

describe('an ELF file', () => {
  it('has its symbols as labels, and comes back as a flat image', async () => {
    await directory.vtick('asm loop.asm -f exec -o loop.elf')
    const text = await printed('disasm loop.elf')
    expect(text).toContain('start.again:\n        dec ecx')
    expect(text).toMatch(/call far_away/)
    const { bytes } = await directory.vtick('asm - -o -', { stdin: text })
    expect(bytes).toEqual((await directory.vtick('asm loop.asm -o -')).bytes)
  })

  it('shows every code section of an object, and what will be relocated', async () => {
    await directory.vtick('asm object.asm -f elf64 -o object.o')
    const text = await printed('disasm object.o')
    expect(text).toMatch(/section \.text ; at 0x0\nmain:\n {8}call \$\+5 .*relocated: puts\n {8}ret/)
    expect(text).toMatch(/section \.init\.text ; at 0x0\nrax_:\n {8}jmp .*relocated: /)
  })
})

describe('what cannot be disassembled is one line with a next step', () => {
  it.each([
    ['disasm loop.asm', 'vtick: loop.asm is a source, not machine code; assemble it first: `vtick asm loop.asm`\n'],
    ['disasm trace.vtrace', 'vtick: trace.vtrace is a trace, not machine code; `vtick explore trace.vtrace` shows its code\n'],
    ['disasm empty.bin', 'vtick: empty.bin is empty; name a file with machine code\n'],
    ['disasm cut.elf', 'vtick: cannot read cut.elf: it is cut off; `readelf -h` tells what it is\n'],
    [
      'disasm loop.elf --org 5',
      'vtick: --org places a flat binary, and loop.elf is an ELF file, which says where it stands; leave it out\n',
    ],
    ['disasm loop.bin --org x', 'vtick: --org x: not an address; write it as --org 0x7c00\n'],
    ['disasm nothing.bin', 'vtick: cannot read nothing.bin: no such file; check the name, or list what is there with `ls`\n'],
  ])('%s', async (arguments_, words) => {
    const { code, err, out } = await directory.vtick(arguments_)
    expect({ code, err, out }).toEqual({ code: 2, err: words, out: '' })
  })
})
