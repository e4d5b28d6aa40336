/* libcurl keeps the certificates it has read only if they come from one file and no folder; otherwise it
 * reads some hundred of them for each new connection, which takes ten milliseconds of the one thread that
 * serves all calls. So there is always one file: the system's, or, with an authority more, one in memory
 * that holds both. */
#include "http/client_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/assert.h"

enum { BUNDLE_SIZE_MAX = 16 * 1024 * 1024, CHUNK = 64 * 1024 };

static bool append_file(struct buf *buf, const char *path) {
    FILE *file = fopen(path, "re");
    size_t got = 0;

    if (!file) return false;
    do {
        char *to = buf_reserve(buf, CHUNK);
        if (!to) break;
        got = fread(to, 1, CHUNK, file);
        buf->size += got;
    } while (got > 0);
    bool ok = !ferror(file);
    int reason = errno;
    fclose(file);
    errno = reason;
    return ok;
}

static bool write_all(int fd, struct str bytes) {
    while (bytes.size) {
        ssize_t size = write(fd, bytes.data, bytes.size);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return false;
        bytes = str_slice(bytes, (size_t)size, bytes.size);
    }
    return true;
}

/* Makes a file of both in memory. */
static bool combine(struct trust *trust, struct str bundle, struct err *err) {
    trust->fd = memfd_create("penstock-trust", MFD_CLOEXEC);
    if (trust->fd < 0 || !write_all(trust->fd, bundle)) {
        return err_set(err, ERR_UNAVAILABLE,
                "the certificate authorities cannot be put together: %s", strerror(errno));
    }
    snprintf(trust->path, sizeof(trust->path), "/proc/self/fd/%d", trust->fd);
    return true;
}

bool trust_init(struct trust *ret, const char *ca_file, struct err *err) {
    const char *system_file = curl_version_info(CURLVERSION_NOW)->cainfo;
    struct buf bundle;

    *ret = (struct trust){ .fd = -1 };
    buf_init(&bundle, BUNDLE_SIZE_MAX);
    bool has_system = system_file && strlen(system_file) < sizeof(ret->path)
            && access(system_file, R_OK) == 0;
    if (has_system) snprintf(ret->path, sizeof(ret->path), "%s", system_file);
    if (!ca_file) return true;
    if (!append_file(&bundle, ca_file)) {
        err_set(err, ERR_INVALID, "cannot read the certificate authority '%.200s': %s", ca_file,
                strerror(errno));
        buf_clear(&bundle);
        return false;
    }
    bool ok = str_find(buf_str(&bundle), STR("-----BEGIN ")) < bundle.size;
    if (!ok) err_set(err, ERR_INVALID, "'%.200s' holds no certificate in PEM format", ca_file);
    buf_append_char(&bundle, '\n');
    if (ok && has_system) append_file(&bundle, system_file);
    if (ok && buf_is_over(&bundle))
        ok = err_set(err, ERR_INVALID, "'%.200s' is too large", ca_file);
    ok = ok && combine(ret, buf_str(&bundle), err);
    buf_clear(&bundle);
    if (!ok) trust_clear(ret);
    return ok;
}

void trust_clear(struct trust *trust) {
    if (trust->fd >= 0) close(trust->fd);
    trust->fd = -1;
}
