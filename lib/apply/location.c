/*
 * location - names in directories, what lies there, and moves between them.  See location.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "apply/location.h"
#include "base/file.h"

int
location_look(struct location *p)
{
	p->there = p->dirfd >= 0 && fstatat(p->dirfd, p->name, &p->st, AT_SYMLINK_NOFOLLOW) == 0;
	return p->there || p->dirfd < 0 || errno == ENOENT ? 0 : -1;
}

bool
location_is_listed(const struct location *p)
{
	const char *name;
	bool found = false;
	DIR *d = file_list(p->dirfd, ".");

	if (d == NULL)
		return true;
	while (!found && (name = file_next(&d)) != NULL)
		found = strcmp(name, p->name) == 0;
	if (d != NULL)
		(void)closedir(d);
	return found;
}

bool
location_folds(const struct location *p)
{
	char name[NAME_MAX + 1];
	struct stat other;

	snprintf(name, sizeof name, "%s", p->name);
	for (char *c = name; *c != '\0'; c++)
		if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z'))
			*c ^= 'a' ^ 'A';
	return p->there && strcmp(name, p->name) != 0 &&
	       fstatat(p->dirfd, name, &other, AT_SYMLINK_NOFOLLOW) == 0 &&
	       other.st_ino == p->st.st_ino && other.st_dev == p->st.st_dev;
}

bool
location_path_is_listed(int dirfd, const char *path)
{
	char part[TREE_PATH + 1];
	bool listed = true;

	for (const char *end = path; listed && *end != '\0';) {
		struct location p = {.dirfd = -1};
		end += strspn(end, "/");
		end += strcspn(end, "/");
		snprintf(part, sizeof part, "%.*s", (int)(end - path), path);
		p.dirfd = file_parent_beneath(dirfd, part, &p.name, NULL);
		listed = p.dirfd >= 0 && location_is_listed(&p);
		file_close(p.dirfd);
	}
	return listed;
}

void
location_entry(const struct location *p, struct entry *entry)
{
	const struct stat *st = &p->st;

	*entry = (struct entry){.type = '-'};
	if (!p->there)
		return;
	*entry = (struct entry){
	    .type = tree_type(st->st_mode),
	    .mode = st->st_mode & 07777,
	    .size = S_ISDIR(st->st_mode) ? 0 : (uint64_t)st->st_size,
	    .mtime = tree_time(st->st_mtim),
	    .ctime = tree_time(st->st_ctim),
	    .inode = st->st_ino,
	};
}

bool
location_is_before(const struct location *p, const struct entry *b, bool exact)
{
	const struct stat *st = &p->st;

	if (!p->there || tree_type(st->st_mode) != b->type || st->st_ino != b->inode)
		return false;
	if (b->type == 'd')
		return true;
	if ((uint64_t)st->st_size != b->size || tree_time(st->st_mtim) != b->mtime)
		return false;
	return !exact || st->st_nlink > 1 || tree_time(st->st_ctim) == b->ctime;
}

bool
location_same_file(const struct location *a, const struct location *b)
{
	return a->there && b->there && a->st.st_ino == b->st.st_ino && a->st.st_dev == b->st.st_dev;
}

int
location_hash(const struct location *p, char hex[SHA256_HEX])
{
	char piece[16384];
	ssize_t n;
	int fd = openat(p->dirfd, p->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct sha256 *h = fd < 0 ? NULL : sha256_new(NULL);

	if (h == NULL) {
		file_close(fd);
		return -1;
	}
	while ((n = file_read(fd, piece, sizeof piece, NULL)) > 0)
		sha256_add(h, piece, (size_t)n);
	sha256_hex(h, hex);
	sha256_free(h);
	close(fd);
	return n < 0 ? -1 : 0;
}

bool
location_is_after(const struct location *p, const struct entry *a)
{
	char hex[SHA256_HEX], target[TREE_PATH + 1];

	if (!p->there || tree_type(p->st.st_mode) != a->type)
		return false;
	if (a->type == 'd')
		return true;
	if (a->type == 'l') {
		ssize_t n = readlinkat(p->dirfd, p->name, target, sizeof target - 1);
		return n >= 0 && a->target && (size_t)n == strlen(a->target) &&
		       memcmp(target, a->target, (size_t)n) == 0;
	}
	return (uint64_t)p->st.st_size == a->size && location_hash(p, hex) == 0 &&
	       strcmp(hex, a->sha256) == 0;
}

int
location_exchange(const struct location *a, const struct location *b)
{
	return renameat2(a->dirfd, a->name, b->dirfd, b->name, RENAME_EXCHANGE);
}

bool
location_not_supported(void)
{
	return errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP || errno == EXDEV;
}

bool
location_modeless(void)
{
	return errno == EPERM || errno == ENOSYS || errno == EOPNOTSUPP;
}

void
location_copy_attributes(int from, int to, bool same)
{
	char names[4096], value[4096];
	struct stat st;

	/* Made in a directory with a default ACL it may have one that ${from} has not. */
	(void)fremovexattr(to, "system.posix_acl_access");
	(void)fremovexattr(to, "system.posix_acl_default");
	/* The group may be one of ours where the owner is not to be given away. */
	if (fstat(from, &st) == 0 && fchown(to, st.st_uid, st.st_gid) < 0)
		(void)!fchown(to, (uid_t)-1, st.st_gid);
	ssize_t n = flistxattr(from, names, sizeof names);
	for (char *name = names; name < names + (n > 0 ? n : 0); name += strlen(name) + 1) {
		ssize_t size = same || strcmp(name, "security.capability") != 0
				   ? fgetxattr(from, name, value, sizeof value)
				   : -1;
		if (size >= 0)
			(void)fsetxattr(to, name, value, (size_t)size, 0);
	}
}

bool
location_not_ours(void)
{
	return errno == EPERM || errno == EACCES || errno == EROFS;
}

bool
location_is_gone(void)
{
	return errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
}

int
location_move_over(const struct location *from, const struct location *to)
{
	return renameat(from->dirfd, from->name, to->dirfd, to->name);
}

int
location_move_free(const struct location *from, const struct location *to)
{
	if (renameat2(from->dirfd, from->name, to->dirfd, to->name, RENAME_NOREPLACE) == 0)
		return 0;
	if (!location_not_supported())
		return -1;
	if (linkat(from->dirfd, from->name, to->dirfd, to->name, 0) == 0)
		return unlinkat(from->dirfd, from->name, 0);
	if (errno == EEXIST)
		return -1;
	/* No links either (or it is a directory): check first, which is all that can be done. */
	struct stat st;
	if (fstatat(to->dirfd, to->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return location_move_over(from, to);
}

static int
copy_file(const struct location *from, const struct location *to, struct err *e)
{
	int status = -1;
	int in = openat(from->dirfd, from->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int out = openat(to->dirfd, to->name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			 0600);
	struct stat st;

	if (in < 0 || out < 0 || fstat(in, &st)) {
		err_sys(e, "cannot copy %s", from->name);
	} else if (file_copy(in, out, e) == 0) {
		const struct timespec times[2] = {st.st_atim, st.st_mtim};
		location_copy_attributes(in, out, true);
		if (fchmod(out, st.st_mode & 07777) || futimens(out, times) || fsync(out))
			err_sys(e, "cannot copy %s", from->name);
		else
			status = 0;
	}
	file_close(in);
	file_close(out);
	return status;
}

static int
copy_directory(const struct location *from, const struct location *to, struct err *e)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, status = -1, out = -1;
	struct stat st;

	int in = openat(from->dirfd, from->name, flags);
	if (in < 0 || fstat(in, &st) < 0 ||
	    (mkdirat(to->dirfd, to->name, 0700) < 0 && errno != EEXIST) ||
	    (out = openat(to->dirfd, to->name, flags)) < 0) {
		err_sys(e, "cannot copy %s", from->name);
		goto out;
	}
	const struct timespec times[2] = {st.st_atim, st.st_mtim};
	location_copy_attributes(in, out, true);
	status = 0;
	if ((fchmod(out, st.st_mode & 07777) < 0 && !location_modeless()) || futimens(out, times))
		status = err_sys(e, "cannot copy %s", from->name);
out:
	file_close(in);
	file_close(out);
	return status;
}

bool
location_is_special(const struct location *p)
{
	struct stat st, above;
	char names[4096];

	int fd = openat(p->dirfd, p->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || fstat(p->dirfd, &above) < 0) {
		file_close(fd);
		return false;
	}
	gid_t group = above.st_mode & S_ISGID ? above.st_gid : getegid();
	bool special =
	    st.st_uid != geteuid() || st.st_gid != group || flistxattr(fd, names, sizeof names) > 0;
	close(fd);
	return special;
}

int
location_copy(const struct location *from, const struct location *to, struct err *e)
{
	struct stat st;
	char target[TREE_PATH + 1];

	if (fstatat(from->dirfd, from->name, &st, AT_SYMLINK_NOFOLLOW))
		return err_sys(e, "cannot copy %s", from->name);
	if (S_ISDIR(st.st_mode))
		return copy_directory(from, to, e);
	if (!S_ISLNK(st.st_mode))
		return copy_file(from, to, e);
	ssize_t n = readlinkat(from->dirfd, from->name, target, sizeof target - 1);
	if (n < 0)
		return err_sys(e, "cannot copy %s", from->name);
	target[n] = '\0';
	if (symlinkat(target, to->dirfd, to->name) && errno != EEXIST)
		return err_sys(e, "cannot copy %s", from->name);
	/* Not everybody may give it away, and not every file system keeps its time. */
	const struct timespec times[2] = {st.st_atim, st.st_mtim};
	(void)!fchownat(to->dirfd, to->name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW);
	(void)utimensat(to->dirfd, to->name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}
