/* A guest's init: unmasks /secret into memory of which it touches the pages in reverse, at the end of one. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGES 64

static int load(const char *path, const char *options) {
    int file = open(path, O_RDONLY);
    if (file < 0) return 0;
    if (syscall(SYS_finit_module, file, options, 0)) perror(path);
    close(file);
    return 1;
}

int main(void) {
    mkdir("/dev", 0755);
    mount("devtmpfs", "/dev", "devtmpfs", 0, "");
    load("/qemu_fw_cfg.ko", ""); /* tells QEMU where VMCOREINFO lies */
    unsigned char *memory = mmap(0, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int page = PAGES - 1; page >= 0; page -= 2) memory[page * 4096] = 1;
    for (int page = PAGES - 2; page >= 0; page -= 2) memory[page * 4096] = 1;
    int file = open("/secret", O_RDONLY);
    unsigned char byte;
    for (int part = 0; part < 3; part++) /* p, q, a token: 128 bytes each, over the end of a page */
        for (int i = 0; i < 128 && read(file, &byte, 1) == 1; i++) memory[(8 + 4 * part) * 4096 - 24 + i] = byte ^ 0x5a;
    int public = open("/public", O_RDONLY);
    read(public, memory + 40 * 4096 + 100, 294);
    puts("READY");
    fflush(stdout);
    if (load("/lime.ko", "path=/dev/nvme0n1 format=lime timeout=0")) {
        sync();
        puts("DUMPED");
        fflush(stdout);
    }
    for (;;) pause();
}
