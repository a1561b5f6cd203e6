/* Preloaded into a process whose log is tested: makes a disk full or broken, and records what reaches it and when it is
   synced. Only files whose name begins with that of the log count. Controlled by files in the folder SSE_SHIM:
   `limit` holds how many bytes they may take in all, and `quota` says that it is the user who may take no more; `sync-fails`
   lets syncs fail, `writes-fail` writes, and `read-only` both and opening. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int (*real_open)(const char *, int, ...);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static int (*real_fsync)(int), (*real_fdatasync)(int), (*real_ftruncate)(int, off64_t);
static const char *control, *log_path, *record_path;
static int record = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    real_open = dlsym(RTLD_NEXT, "open64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    control = getenv("SSE_SHIM");
    log_path = getenv("SSE_SHIM_LOG");
    record_path = getenv("SSE_SHIM_RECORD");
    if (record_path) record = real_open(record_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

/* The log's file behind a descriptor: 0 is the file itself, 1 its write-ahead log, 2 another; -1 is none of them. */
static int file_of(int fd) {
    char link[64], path[PATH_MAX];
    if (!log_path) return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return -1;
    path[length] = 0;
    size_t prefix = strlen(log_path);
    if (strncmp(path, log_path, prefix)) return -1;
    if (!path[prefix]) return 0;
    if (!strcmp(path + prefix, "-wal")) return 1;
    if (!strcmp(path + prefix, "-lock") || !strcmp(path + prefix, "-shm")) return -1;
    return 2;
}

static int is_set(const char *name) {
    char path[PATH_MAX];
    if (!control) return 0;
    snprintf(path, sizeof path, "%s/%s", control, name);
    return access(path, F_OK) == 0;
}

static long long limit(void) {
    char path[PATH_MAX], text[32];
    if (!control) return -1;
    snprintf(path, sizeof path, "%s/limit", control);
    int fd = real_open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) return -1;
    text[length] = 0;
    return atoll(text);
}

static long long size_of(const char *suffix) {
    char path[PATH_MAX];
    struct stat64 found;
    snprintf(path, sizeof path, "%s%s", log_path, suffix);
    return stat64(path, &found) ? 0 : found.st_size;
}

/* Whether a write up to `end` would take more than the limit. */
static int is_full(int fd, off64_t end) {
    long long most = limit();
    struct stat64 found;
    if (most < 0 || fstat64(fd, &found) || end <= found.st_size) return 0;
    long long taken = size_of("") + size_of("-wal") + size_of("-reserve");
    return taken + (end - found.st_size) > most;
}

/* A record: what (w write, t truncate, s sync, a acknowledged), file, offset, length, and the bytes. */
static void note(char what, int file, off64_t offset, const void *bytes, size_t length) {
    if (record < 0) return;
    unsigned char head[18] = {what, file};
    int64_t at = offset, size = length;
    memcpy(head + 2, &at, 8);
    memcpy(head + 10, &size, 8);
    pthread_mutex_lock(&lock);
    real_write(record, head, sizeof head);
    if (length) real_write(record, bytes, length);
    pthread_mutex_unlock(&lock);
}

static ssize_t checked(int fd, int file, off64_t offset, const void *bytes, size_t length) {
    if (is_set("read-only")) { errno = EROFS; return -1; }
    if (is_set("writes-fail")) { errno = EIO; return -1; }
    if (is_full(fd, offset + length)) { errno = is_set("quota") ? EDQUOT : ENOSPC; return -1; }
    ssize_t written = real_pwrite(fd, bytes, length, offset);
    if (written > 0) note('w', file, offset, bytes, written);
    return written;
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    int is_log = log_path && !strncmp(path, log_path, strlen(log_path));
    if (is_log && (flags & (O_WRONLY | O_RDWR)) && is_set("read-only")) { errno = EROFS; return -1; }
    return real_open(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open64(path, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    if (fd == 1) {
        note('a', 0, 0, bytes, length);
        return real_write(fd, bytes, length);
    }
    int file = file_of(fd);
    if (file < 0) return real_write(fd, bytes, length);
    off64_t at = lseek64(fd, 0, SEEK_CUR);
    ssize_t written = checked(fd, file, at, bytes, length);
    if (written > 0) lseek64(fd, at + written, SEEK_SET);
    return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    int file = file_of(fd);
    if (file < 0) return real_pwrite(fd, bytes, length, offset);
    return checked(fd, file, offset, bytes, length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    return pwrite64(fd, bytes, length, offset);
}

static int sync_with(int (*sync)(int), int fd) {
    int file = file_of(fd);
    if (file < 0) return sync(fd);
    if (is_set("sync-fails")) { errno = EIO; return -1; }
    int synced = sync(fd);
    if (!synced) note('s', file, 0, "", 0);
    return synced;
}

int fsync(int fd) { return sync_with(real_fsync, fd); }
int fdatasync(int fd) { return sync_with(real_fdatasync, fd); }

int ftruncate64(int fd, off64_t length) {
    int file = file_of(fd);
    int done = real_ftruncate(fd, length);
    if (file >= 0 && !done) note('t', file, length, "", 0);
    return done;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }
