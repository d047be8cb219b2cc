// SPDX-License-Identifier: Apache-2.0
// Preloaded into a process, counts the calls that change what lies under one folder, writes them
// down, and makes the n-th of them fail or be the last.
//
// fault_arm(folder, nth, mode, mount, record) begins. When the n-th call comes:
//   "eio", "enospc"  it fails with that error, and later ones succeed
//   "persist"        it and all later ones fail with EIO
//   "full"           it and all later ones that need space fail with ENOSPC
//   "short"          a write takes half of its bytes
//   "sync"           as eio, but only fsync and fdatasync are counted
//   "kill"           the process dies before it
//   "power"          the file system mounted at `mount` drops what is not on disk, then as kill
//   "dies"           the same file system does so, and the process lives on
//   "lies"           as dies, but only syncs are counted, and this one says that it has succeeded:
//                    so do ext4 and xfs when they shut down while a sync is under way
// nth = 0 only counts; fault_count() tells how many calls there were. With `record`, the path of
// a file, every call that was made is appended to it, with its bytes, and so is each fault_note.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

// EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN: _IOR('X', 125, uint32_t); 2 = without the journal.
#define SHUTDOWN 0x8004587dUL
#define WITHOUT_JOURNAL 2u

enum verdict { GO, FAIL, HALF, LIE };
enum need { NONE, SPACE, SYNC };

static char folder[512];
static char mount_point[512];
static char mode[16];
static size_t folder_length;
static long target;
static atomic_long calls;
static atomic_bool armed;
static int record = -1;
// Held from a call's verdict to its record, so that records are in the order of the calls.
static pthread_mutex_t turn = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

// One record: this head, then the two paths, then the data. `place` is an offset, a size, or flags.
struct __attribute__((packed)) head {
    char kind;
    int64_t result, place;
    uint32_t first, second, data;
};

static void put(const void *data, size_t size) {
    if (size && syscall(SYS_write, record, data, size) != (long)size) abort();
}

static void noted(char kind, int64_t result, int64_t place, const char *first, const char *second,
                  const void *data, size_t size) {
    if (record < 0) return;
    int saved = errno;
    struct head head = {kind, result, place, strlen(first), strlen(second), size};
    put(&head, sizeof head);
    put(first, head.first);
    put(second, head.second);
    put(data, size);
    errno = saved;
}

void fault_arm(const char *where, long nth, const char *how, const char *mounted,
               const char *written) {
    snprintf(folder, sizeof folder, "%s", where);
    snprintf(mode, sizeof mode, "%s", how);
    snprintf(mount_point, sizeof mount_point, "%s", mounted);
    folder_length = strlen(folder);
    target = nth;
    if (*written)
        record = (int)syscall(SYS_openat, AT_FDCWD, written,
                              O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    atomic_store(&calls, 0);
    atomic_store(&armed, 1);
}

long fault_count(void) { return atomic_load(&calls); }

void fault_note(const char *text) {
    pthread_mutex_lock(&turn);
    noted('!', 0, 0, "", "", text, strlen(text));
    pthread_mutex_unlock(&turn);
}

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

#define PATH 2048

// Whether the descriptor's file lies under the folder; its path, if so.
static int watched_descriptor(int descriptor, char path[PATH]) {
    char link[64];
    if (!atomic_load(&armed)) return 0;
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    int found = link_target(link, path, PATH) && under(path);
    errno = saved;
    return found;
}

static int watched(int directory, const char *path, char whole[PATH]) {
    char link[64], base[1000];
    if (!atomic_load(&armed) || !path) return 0;
    if (path[0] == '/') {
        snprintf(whole, PATH, "%s", path);
        return under(path);
    }
    int saved = errno;
    if (directory == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    int found = 0;
    if (link_target(link, base, sizeof base)) {
        snprintf(whole, PATH, "%s/%.1000s", base, path);
        found = under(whole);
    }
    errno = saved;
    return found;
}

static enum verdict verdict(enum need need) {
    int lies = !strcmp(mode, "lies");
    if ((lies || !strcmp(mode, "sync")) && need != SYNC) return GO;
    long n = atomic_fetch_add(&calls, 1) + 1;
    int goes_on = !strcmp(mode, "persist") || !strcmp(mode, "full");
    if (!target || (goes_on ? n < target : n != target)) return GO;
    if (!strcmp(mode, "full") && need != SPACE) return GO;
    int dies = lies || !strcmp(mode, "dies");
    if (dies || !strcmp(mode, "power")) {
        uint32_t how = WITHOUT_JOURNAL;
        int descriptor = (int)syscall(SYS_openat, AT_FDCWD, mount_point, O_RDONLY, 0);
        if (ioctl(descriptor, SHUTDOWN, &how)) dprintf(2, "no power loss: %s\n", strerror(errno));
        syscall(SYS_close, descriptor);
    }
    if (dies) return lies ? LIE : GO;
    if (!strcmp(mode, "power") || !strcmp(mode, "kill")) kill(getpid(), SIGKILL);
    if (!strcmp(mode, "short")) return HALF;
    errno = strcmp(mode, "enospc") && strcmp(mode, "full") ? EIO : ENOSPC;
    return FAIL;
}

#define REAL(type, name, ...)                         \
    static type (*real)(__VA_ARGS__);                 \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

#define BEGIN pthread_mutex_lock(&turn)
#define END(value)                                    \
    do {                                              \
        pthread_mutex_unlock(&turn);                  \
        return value;                                 \
    } while (0)

ssize_t write(int d, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    char path[PATH];
    if (!watched_descriptor(d, path)) return real(d, data, size);
    BEGIN;
    enum verdict v = verdict(SPACE);
    if (v == FAIL) END(-1);
    if (v == HALF && size > 1) size /= 2;
    ssize_t n = real(d, data, size);
    if (n > 0) noted('W', n, lseek(d, 0, SEEK_CUR) - n, path, "", data, n);
    END(n);
}

static void noted_parts(ssize_t n, off_t at, const char *path, const struct iovec *parts) {
    for (ssize_t left = n; left > 0; parts++) {
        size_t some = parts->iov_len < (size_t)left ? parts->iov_len : (size_t)left;
        noted('W', some, at, path, "", parts->iov_base, some);
        at += some;
        left -= some;
    }
}

ssize_t writev(int d, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    char path[PATH];
    if (!watched_descriptor(d, path)) return real(d, parts, count);
    BEGIN;
    enum verdict v = verdict(SPACE);
    if (v == FAIL) END(-1);
    ssize_t n = real(d, parts, v == HALF && count > 1 ? count / 2 : count);
    if (n > 0) noted_parts(n, lseek(d, 0, SEEK_CUR) - n, path, parts);
    END(n);
}

#define POSITIONED(name)                                                  \
    ssize_t name(int d, const void *data, size_t size, off_t at) {        \
        REAL(ssize_t, #name, int, const void *, size_t, off_t);           \
        char path[PATH];                                                  \
        if (!watched_descriptor(d, path)) return real(d, data, size, at); \
        BEGIN;                                                            \
        enum verdict v = verdict(SPACE);                                  \
        if (v == FAIL) END(-1);                                           \
        if (v == HALF && size > 1) size /= 2;                             \
        ssize_t n = real(d, data, size, at);                              \
        if (n > 0) noted('W', n, at, path, "", data, n);                  \
        END(n);                                                           \
    }
POSITIONED(pwrite)
POSITIONED(pwrite64)

#define POSITIONED_PARTS(name)                                                  \
    ssize_t name(int d, const struct iovec *parts, int count, off_t at) {       \
        REAL(ssize_t, #name, int, const struct iovec *, int, off_t);            \
        char path[PATH];                                                        \
        if (!watched_descriptor(d, path)) return real(d, parts, count, at);     \
        BEGIN;                                                                  \
        if (verdict(SPACE) == FAIL) END(-1);                                    \
        ssize_t n = real(d, parts, count, at);                                  \
        if (n > 0) noted_parts(n, at, path, parts);                             \
        END(n);                                                                 \
    }
POSITIONED_PARTS(pwritev)
POSITIONED_PARTS(pwritev64)

// Note what lies in a file where the kernel has copied something to.
static void noted_copy(int d, const char *path, off_t at, ssize_t n) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", d);
    int copy = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
    char *data = malloc(n);
    if (copy < 0 || !data || pread(copy, data, n, at) != n) abort();
    noted('W', n, at, path, "", data, n);
    free(data);
    close(copy);
}

#define SENDS(name)                                                       \
    ssize_t name(int d, int from, off_t *at, size_t size) {               \
        REAL(ssize_t, #name, int, int, off_t *, size_t);                  \
        char path[PATH];                                                  \
        if (!watched_descriptor(d, path)) return real(d, from, at, size); \
        BEGIN;                                                            \
        if (verdict(SPACE) == FAIL) END(-1);                              \
        ssize_t n = real(d, from, at, size);                              \
        if (n > 0 && record >= 0) noted_copy(d, path, lseek(d, 0, SEEK_CUR) - n, n); \
        END(n);                                                           \
    }
SENDS(sendfile)
SENDS(sendfile64)

ssize_t copy_file_range(int from, off_t *at, int d, off_t *to, size_t size, unsigned flags) {
    REAL(ssize_t, "copy_file_range", int, off_t *, int, off_t *, size_t, unsigned);
    char path[PATH];
    if (!watched_descriptor(d, path)) return real(from, at, d, to, size, flags);
    BEGIN;
    if (verdict(SPACE) == FAIL) END(-1);
    ssize_t n = real(from, at, d, to, size, flags);
    if (n > 0 && record >= 0) noted_copy(d, path, (to ? *to : lseek(d, 0, SEEK_CUR)) - n, n);
    END(n);
}

#define SYNCS(name)                                                       \
    int name(int d) {                                                     \
        REAL(int, #name, int);                                            \
        char path[PATH];                                                  \
        if (!watched_descriptor(d, path)) return real(d);                 \
        BEGIN;                                                            \
        enum verdict v = verdict(SYNC);                                   \
        int r = v == FAIL ? -1 : v == LIE ? 0 : real(d);                  \
        noted('S', r, 0, path, "", "", 0);                                \
        END(r);                                                           \
    }
SYNCS(fsync)
SYNCS(fdatasync)

#define RESIZES(name)                                                     \
    int name(int d, off_t size) {                                         \
        REAL(int, #name, int, off_t);                                     \
        char path[PATH];                                                  \
        if (!watched_descriptor(d, path)) return real(d, size);           \
        BEGIN;                                                            \
        if (verdict(NONE) == FAIL) END(-1);                               \
        int r = real(d, size);                                            \
        if (!r) noted('T', 0, size, path, "", "", 0);                     \
        END(r);                                                           \
    }
RESIZES(ftruncate)
RESIZES(ftruncate64)

#define ALLOCATES(name)                                                   \
    int name(int d, int how, off_t at, off_t size) {                      \
        REAL(int, #name, int, int, off_t, off_t);                         \
        char path[PATH];                                                  \
        if (!watched_descriptor(d, path)) return real(d, how, at, size);  \
        BEGIN;                                                            \
        if (verdict(SPACE) == FAIL) END(-1);                              \
        int r = real(d, how, at, size);                                   \
        if (!r && !(how & 1)) noted('F', 0, at + size, path, "", "", 0);  \
        END(r);                                                           \
    }
ALLOCATES(fallocate)
ALLOCATES(fallocate64)

#define REMOVES(name, kind)                                               \
    int name(const char *path) {                                          \
        REAL(int, #name, const char *);                                   \
        char whole[PATH];                                                 \
        if (!watched(AT_FDCWD, path, whole)) return real(path);           \
        BEGIN;                                                            \
        if (verdict(NONE) == FAIL) END(-1);                               \
        int r = real(path);                                               \
        if (!r) noted(kind, 0, 0, whole, "", "", 0);                      \
        END(r);                                                           \
    }
REMOVES(unlink, 'U')
REMOVES(remove, 'U')
REMOVES(rmdir, 'U')

int unlinkat(int d, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    char whole[PATH];
    if (!watched(d, path, whole)) return real(d, path, flags);
    BEGIN;
    if (verdict(NONE) == FAIL) END(-1);
    int r = real(d, path, flags);
    if (!r) noted('U', 0, 0, whole, "", "", 0);
    END(r);
}

int mkdir(const char *path, mode_t how) {
    REAL(int, "mkdir", const char *, mode_t);
    char whole[PATH];
    if (!watched(AT_FDCWD, path, whole)) return real(path, how);
    BEGIN;
    if (verdict(SPACE) == FAIL) END(-1);
    int r = real(path, how);
    if (!r) noted('M', 0, 0, whole, "", "", 0);
    END(r);
}

int mkdirat(int d, const char *path, mode_t how) {
    REAL(int, "mkdirat", int, const char *, mode_t);
    char whole[PATH];
    if (!watched(d, path, whole)) return real(d, path, how);
    BEGIN;
    if (verdict(SPACE) == FAIL) END(-1);
    int r = real(d, path, how);
    if (!r) noted('M', 0, 0, whole, "", "", 0);
    END(r);
}

// Renames and links: both names lie under the folder, or a record could not be replayed.
#define MOVES(kind, call)                                                 \
    BEGIN;                                                                \
    if (verdict(SPACE) == FAIL) END(-1);                                  \
    int r = call;                                                         \
    if (!r) noted(kind, 0, 0, old, whole, "", 0);                         \
    END(r)

#define ON_TWO_PATHS(name, kind)                                          \
    int name(const char *from, const char *to) {                          \
        REAL(int, #name, const char *, const char *);                     \
        char old[PATH] = "", whole[PATH];                                 \
        if (!watched(AT_FDCWD, to, whole)) return real(from, to);         \
        watched(AT_FDCWD, from, old);                                     \
        MOVES(kind, real(from, to));                                      \
    }
ON_TWO_PATHS(rename, 'R')
ON_TWO_PATHS(link, 'L')

int renameat(int d, const char *from, int e, const char *to) {
    REAL(int, "renameat", int, const char *, int, const char *);
    char old[PATH] = "", whole[PATH];
    if (!watched(e, to, whole)) return real(d, from, e, to);
    watched(d, from, old);
    MOVES('R', real(d, from, e, to));
}

int renameat2(int d, const char *from, int e, const char *to, unsigned flags) {
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
    char old[PATH] = "", whole[PATH];
    if (!watched(e, to, whole)) return real(d, from, e, to, flags);
    watched(d, from, old);
    MOVES('R', real(d, from, e, to, flags));
}

int linkat(int d, const char *from, int e, const char *to, int flags) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    char old[PATH] = "", whole[PATH];
    if (!watched(e, to, whole)) return real(d, from, e, to, flags);
    watched(d, from, old);
    MOVES('L', real(d, from, e, to, flags));
}

#define CREATES(flags) (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE)
#define CHANGES(flags) (CREATES(flags) || ((flags) & O_TRUNC))

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
        char whole[PATH];                                                 \
        if (!CHANGES(flags) || !watched(AT_FDCWD, path, whole)) return real(path, flags, how); \
        BEGIN;                                                            \
        if (verdict(SPACE) == FAIL) END(-1);                              \
        int r = real(path, flags, how);                                   \
        if (r >= 0) noted('O', 0, !!(flags & O_TRUNC), whole, "", "", 0); \
        END(r);                                                           \
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
        char whole[PATH];                                                 \
        if (!CHANGES(flags) || !watched(d, path, whole)) return real(d, path, flags, how); \
        BEGIN;                                                            \
        if (verdict(SPACE) == FAIL) END(-1);                              \
        int r = real(d, path, flags, how);                                \
        if (r >= 0) noted('O', 0, !!(flags & O_TRUNC), whole, "", "", 0); \
        END(r);                                                           \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

// The C library's streams open files without the calls above.
#define STREAMS(name)                                                     \
    FILE *name(const char *path, const char *how) {                       \
        REAL(FILE *, #name, const char *, const char *);                  \
        char whole[PATH];                                                 \
        if (*how == 'r' || !watched(AT_FDCWD, path, whole)) return real(path, how); \
        BEGIN;                                                            \
        if (verdict(SPACE) == FAIL) END(NULL);                            \
        FILE *r = real(path, how);                                        \
        if (r) noted('O', 0, *how == 'w', whole, "", "", 0);              \
        END(r);                                                           \
    }
STREAMS(fopen)
STREAMS(fopen64)
