// SPDX-License-Identifier: Apache-2.0
// Preloaded into a process, makes its n-th storage call under one folder fail, or the last one.
//
// fault_arm(folder, nth, mode, mount) starts counting calls that change what lies under
// `folder`. When the n-th comes:
//   "eio", "enospc"  it fails with that error, and later ones succeed
//   "persist"        it and all later ones fail with EIO
//   "short"          a write takes half of its bytes
//   "kill"           the process dies before it
//   "power"          the file system mounted at `mount` drops what is not on disk, then as kill
// nth = 0 only counts; fault_count() tells how many calls there were.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

// EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN: _IOR('X', 125, uint32_t); 2 = without the journal.
#define SHUTDOWN 0x8004587dUL
#define WITHOUT_JOURNAL 2u

enum verdict { GO, FAIL, HALF };

static char folder[512];
static char mount_point[512];
static char mode[16];
static size_t folder_length;
static long target;
static atomic_long calls;
static atomic_bool armed;

void fault_arm(const char *where, long nth, const char *how, const char *mounted) {
    snprintf(folder, sizeof folder, "%s", where);
    snprintf(mode, sizeof mode, "%s", how);
    snprintf(mount_point, sizeof mount_point, "%s", mounted);
    folder_length = strlen(folder);
    target = nth;
    atomic_store(&calls, 0);
    atomic_store(&armed, 1);
}

long fault_count(void) { return atomic_load(&calls); }

static int under(const char *path) {
    return !strncmp(path, folder, folder_length) &&
           (path[folder_length] == '/' || path[folder_length] == 0);
}

static int link_target(const char *link, char *out, size_t size) {
    ssize_t n = readlink(link, out, size - 1);
    if (n < 0) return 0;
    out[n] = 0;
    return 1;
}

static int watched_descriptor(int descriptor) {
    char link[64], path[1024];
    if (!atomic_load(&armed)) return 0;
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    int found = link_target(link, path, sizeof path) && under(path);
    errno = saved;
    return found;
}

static int watched(int directory, const char *path) {
    char link[64], base[1024], whole[2048];
    if (!atomic_load(&armed) || !path) return 0;
    if (path[0] == '/') return under(path);
    int saved = errno;
    if (directory == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    int found = 0;
    if (link_target(link, base, sizeof base)) {
        snprintf(whole, sizeof whole, "%s/%s", base, path);
        found = under(whole);
    }
    errno = saved;
    return found;
}

static enum verdict verdict(void) {
    long n = atomic_fetch_add(&calls, 1) + 1;
    if (!target || (strcmp(mode, "persist") ? n != target : n < target)) return GO;
    if (!strcmp(mode, "power")) {
        uint32_t how = WITHOUT_JOURNAL;
        int descriptor = (int)syscall(SYS_openat, AT_FDCWD, mount_point, O_RDONLY, 0);
        if (ioctl(descriptor, SHUTDOWN, &how)) dprintf(2, "no power loss: %s\n", strerror(errno));
        kill(getpid(), SIGKILL);
    }
    if (!strcmp(mode, "kill")) kill(getpid(), SIGKILL);
    if (!strcmp(mode, "short")) return HALF;
    errno = strcmp(mode, "enospc") ? EIO : ENOSPC;
    return FAIL;
}

#define REAL(type, name, ...)                         \
    static type (*real)(__VA_ARGS__);                 \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

ssize_t write(int d, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (watched_descriptor(d)) {
        enum verdict v = verdict();
        if (v == FAIL) return -1;
        if (v == HALF && size > 1) size /= 2;
    }
    return real(d, data, size);
}

ssize_t writev(int d, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (watched_descriptor(d) && verdict() == FAIL) return -1;
    return real(d, parts, count);
}

#define POSITIONED(name)                                                  \
    ssize_t name(int d, const void *data, size_t size, off_t at) {        \
        REAL(ssize_t, #name, int, const void *, size_t, off_t);           \
        if (watched_descriptor(d)) {                                      \
            enum verdict v = verdict();                                   \
            if (v == FAIL) return -1;                                     \
            if (v == HALF && size > 1) size /= 2;                         \
        }                                                                 \
        return real(d, data, size, at);                                   \
    }
POSITIONED(pwrite)
POSITIONED(pwrite64)

#define ON_DESCRIPTOR(name)                                               \
    int name(int d) {                                                     \
        REAL(int, #name, int);                                            \
        if (watched_descriptor(d) && verdict() == FAIL) return -1;        \
        return real(d);                                                   \
    }
ON_DESCRIPTOR(fsync)
ON_DESCRIPTOR(fdatasync)

#define RESIZE(name)                                                      \
    int name(int d, off_t size) {                                         \
        REAL(int, #name, int, off_t);                                     \
        if (watched_descriptor(d) && verdict() == FAIL) return -1;        \
        return real(d, size);                                             \
    }
RESIZE(ftruncate)
RESIZE(ftruncate64)

#define ON_PATH(name)                                                     \
    int name(const char *path) {                                          \
        REAL(int, #name, const char *);                                   \
        if (watched(AT_FDCWD, path) && verdict() == FAIL) return -1;      \
        return real(path);                                                \
    }
ON_PATH(unlink)
ON_PATH(rmdir)

int unlinkat(int d, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    if (watched(d, path) && verdict() == FAIL) return -1;
    return real(d, path, flags);
}

int mkdir(const char *path, mode_t how) {
    REAL(int, "mkdir", const char *, mode_t);
    if (watched(AT_FDCWD, path) && verdict() == FAIL) return -1;
    return real(path, how);
}

#define ON_TWO_PATHS(name)                                                \
    int name(const char *from, const char *to) {                          \
        REAL(int, #name, const char *, const char *);                     \
        if (watched(AT_FDCWD, to) && verdict() == FAIL) return -1;        \
        return real(from, to);                                            \
    }
ON_TWO_PATHS(rename)
ON_TWO_PATHS(link)

int renameat(int d, const char *from, int e, const char *to) {
    REAL(int, "renameat", int, const char *, int, const char *);
    if (watched(e, to) && verdict() == FAIL) return -1;
    return real(d, from, e, to);
}

int linkat(int d, const char *from, int e, const char *to, int flags) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    if (watched(e, to) && verdict() == FAIL) return -1;
    return real(d, from, e, to, flags);
}

#define CREATES(flags) (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE)

#define OPENS(name)                                                       \
    int name(const char *path, int flags, ...) {                          \
        mode_t how = 0;                                                   \
        if (CREATES(flags)) {                                             \
            va_list rest;                                                 \
            va_start(rest, flags);                                        \
            how = va_arg(rest, mode_t);                                   \
            va_end(rest);                                                 \
        }                                                                 \
        REAL(int, #name, const char *, int, ...);                         \
        if (CREATES(flags) && watched(AT_FDCWD, path) && verdict() == FAIL) return -1; \
        return real(path, flags, how);                                    \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                                    \
    int name(int d, const char *path, int flags, ...) {                   \
        mode_t how = 0;                                                   \
        if (CREATES(flags)) {                                             \
            va_list rest;                                                 \
            va_start(rest, flags);                                        \
            how = va_arg(rest, mode_t);                                   \
            va_end(rest);                                                 \
        }                                                                 \
        REAL(int, #name, int, const char *, int, ...);                    \
        if (CREATES(flags) && watched(d, path) && verdict() == FAIL) return -1; \
        return real(d, path, flags, how);                                 \
    }
OPENS_AT(openat)
OPENS_AT(openat64)
