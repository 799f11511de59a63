#!/bin/sh
# build.sh OUT: builds the kernel. The ELF file beside this script was made so, and qemu.txt by running that in QEMU with 1, 2 and 4 CPUs.
cd "$(dirname "$0")" || exit 1
exec gcc -m32 -O1 -ffreestanding -fno-pic -fno-stack-protector -mno-sse -mgeneral-regs-only -nostdlib -static -no-pie \
  -Wl,-T,kernel.ld -Wl,--build-id=none -o "$1" boot.S kernel.c
