#!/bin/sh
# build.sh OUT: builds the kernel, code for 64-bit mode in an ELF file for multiboot (32-bit). The ELF file beside this script was
# made so, and qemu.txt holds the PASS lines of QEMU 7.2 (-cpu max -device pc-testdev -smp N, for N = 1, 2 and 4).
cd "$(dirname "$0")" || exit 1
gcc -m64 -O1 -ffreestanding -fno-pic -mno-red-zone -fno-stack-protector -mgeneral-regs-only -fno-delete-null-pointer-checks -fno-toplevel-reorder -nostdlib -static -no-pie \
  -Wl,-T,machine.ld -Wl,--build-id=none -Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096 -o "$1.64" boot.S ./*.c && objcopy -O elf32-i386 "$1.64" "$1" && strip "$1" && rm "$1.64"
