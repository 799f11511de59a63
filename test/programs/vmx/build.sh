#!/bin/sh
# build.sh OUT: builds the kernel, as kvm-unit-tests builds its own: code for 64-bit mode in an ELF file for multiboot (32-bit).
cd "$(dirname "$0")" || exit 1
gcc -m64 -O1 -ffreestanding -fno-pic -mno-red-zone -fno-stack-protector -mgeneral-regs-only -Wno-address-of-packed-member -fno-delete-null-pointer-checks -fno-toplevel-reorder -nostdlib -static -no-pie \
  -Wl,-T,kernel.ld -Wl,--build-id=none -Wl,--no-warn-rwx-segments -o "$1.64" boot.S ./*.c && objcopy -O elf32-i386 "$1.64" "$1" && rm "$1.64"
