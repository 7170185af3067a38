/* Deltas: what is true is taken, and who lies about what was sent, or came, is refused. */
#include "check.h"

#include "archive/writer.h"
#include "archive/delta.h"
#include "tree/manifest.h"
#include "archive/pack.h"
#include "scratch.h"
#include "base/sha256.h"

static const char *const tops[] = {"ws", NULL};
static struct unpack_limits limits = {.entries = 20, .bytes = 1 << 20, .depth = 100, .tops = tops};

/* What a peer sends: files of which the content is the text, or the list. */
struct sent {
	const char *path, *text;
};

#define LIST                    \
	{                       \
		PACK_LIST, NULL \
	}
#define END                \
	{                  \
		NULL, NULL \
	}

/* Where the list has a hash, there stands "@text@" for that of the text. */
static void
expand(const char *list, char *out)
{
	struct sha256 *h = sha256_new(NULL);

	for (const char *p = list; *p != '\0';) {
		const char *end = *p == '@' ? strchr(p + 1, '@') : NULL;
		if (end == NULL) {
			*out++ = *p++;
			continue;
		}
		sha256_reset(h);
		sha256_add(h, p + 1, (size_t)(end - p - 1));
		sha256_hex(h, out);
		out += 64;
		p = end + 1;
	}
	*out = '\0';
	sha256_free(h);
}

static void
put(struct writer *a, const char *path, const char *text)
{
	struct entry entry = {
	    .path = (char *)path, .type = 'f', .mode = 0644, .size = strlen(text)};

	(void)writer_begin(a, &entry, NULL, 0, NULL);
	(void)writer_data(a, path, text, strlen(text), NULL);
}

static void
write_archive(const struct sent *sent, const char *list)
{
	char text[8192];
	uint64_t bytes;

	int fd = scratch_new("archive");
	struct writer *a = writer_new(fd, PACK_TAR, NULL);
	expand(list, text);
	for (; sent->path != NULL; sent++)
		put(a, sent->path, sent->text != NULL ? sent->text : text);
	(void)writer_finish(a, &bytes, NULL);
	writer_free(a);
	(void)close(fd);
}

static unsigned links;

static int
count_link(void *arg, const struct entry *entry, struct err *e)
{
	(void)arg;
	(void)entry;
	(void)e;
	links++;
	return 0;
}

/* Take the archive as a snapshot's: the error's code. */
static enum err_code
take(const struct sent *sent, const char *list, struct delta *d, struct err *e)
{
	struct unpack_totals totals;

	write_archive(sent, list);
	int fd = open("archive", O_RDONLY | O_CLOEXEC), listfd = scratch_new("list");
	struct tree base = {open("base", O_RDONLY | O_CLOEXEC), -1, NULL};
	struct tree arrived = {scratch_new("got"), fd, NULL}, to = {scratch_new("out"), -1, &base};
	*d = (struct delta){.limits = &limits, .arrived = &arrived, .to = &to, .link = count_link};
	int status = unpack_visit(&arrived, &limits, NULL, listfd, &totals, e);
	if (status == 0)
		status = delta_check(d, listfd, e);
	(void)close(listfd);
	tree_close(&base);
	tree_close(&arrived);
	tree_close(&to);
	return status < 0 ? e->code : ERR_NONE;
}

/* ws/ with a, b, sub/c and a link was sent. */
static void
make_base(void)
{
	struct resource r = {.name = (char[]){"ws"}, .source = (char[]){"src"}};
	struct pack_options o = {.format = PACK_TAR, .fidelity = true};
	struct pack_totals totals;
	struct err e;

	scratch_text("src/a", "one");
	scratch_text("src/b", "two");
	scratch_text("src/sub/c", "three");
	scratch_link("src/link", "a");
	int archive = scratch_new("base.tar"), manifest = scratch_new("base");
	CHECK_INT(pack(&r, 1, &o, &(struct tree){manifest, archive, NULL}, &totals, &e), 0,
		  "a tree is packed");
	(void)close(archive);
	(void)close(manifest);
}

#define HEAD "awcp-manifest 1\nd 755 0 0 0 0 - ws\n"
#define A "f! 644 3 0 0 0 @one@ ws/a\n"

static void
test_truth(void)
{
	static const struct sent sent[] = {{"ws/b", "new"}, {"ws/sub/d", "more"}, LIST, END};
	struct delta d;
	struct err e;

	CHECK_INT(take(sent,
		       HEAD A "f 644 3 0 0 0 @new@ ws/b\nl 777 1 0 0 0 - ws/link\ta\n"
			      "l 777 1 0 0 0 - ws/other\tb\nd 755 0 0 0 0 - ws/sub\n"
			      "f! 600 5 7 0 0 @three@ ws/sub/c\nf 644 4 0 0 0 @more@ ws/sub/d\n"
			      "end 8\n",
		       &d, &e),
		  ERR_NONE, "what is true is taken");
	CHECK_INT(d.files, 4, "with all files that there are");
	CHECK_INT(d.bytes, 3 + 3 + 5 + 4, "and their bytes");
	CHECK_INT(links, 1, "and the link that is not the base's");
	CHECK_INT(scratch_run("grep -q '^f! 600 5 7 0 0 [0-9a-f]* ws/sub/c$' out"), 0,
		  "a mark, a mode and a time are kept");
	static const struct sent nothing[] = {LIST, END};
	CHECK_INT(take(nothing, "awcp-manifest 1\nend 0\n", &d, &e), ERR_NONE,
		  "everything may be gone");
}

static void
test_lies(void)
{
	static const struct sent plain[] = {LIST, END};
	static const struct sent b[] = {{"ws/b", "new"}, LIST, END};
	static const struct sent link[] = {{"ws/link", "a"}, LIST, END};
	static const struct sent extra[] = {{"ws/b", "new"}, {"ws/x", "x"}, LIST, END};
	static const struct sent last[] = {{"ws/b", "new"}, {"ws/z", "z"}, LIST, END};
	static const struct sent none[] = {{"ws/b", "new"}, END};
	static const struct sent twice[] = {{"ws/b", "new"}, LIST, LIST, END};
	static const struct sent middle[] = {LIST, {"ws/b", "new"}, END};
	static const struct sent two[] = {{"ws/b", "new"}, {"ws/b", "new"}, LIST, END};
#define B "f 644 3 0 0 0 @new@ ws/b\n"
	static const struct {
		const char *what;
		const struct sent *sent;
		const char *list;
		enum err_code code;
	} lies[] = {
	    {"a mark for what is not in the base", plain,
	     HEAD "f! 644 3 0 0 0 @new@ ws/new\nend 2\n", ERR_WORKSPACE_INVALID},
	    {"a mark for another content", plain, HEAD "f! 644 3 0 0 0 @new@ ws/a\nend 2\n",
	     ERR_WORKSPACE_INVALID},
	    {"a mark for another size", plain, HEAD "f! 644 4 0 0 0 @one@ ws/a\nend 2\n",
	     ERR_WORKSPACE_INVALID},
	    {"a mark for a directory of the base", plain,
	     HEAD "f! 644 3 0 0 0 @one@ ws/sub\nend 2\n", ERR_WORKSPACE_INVALID},
	    {"a mark for a link of the base", plain, HEAD "f! 644 3 0 0 0 @one@ ws/link\nend 2\n",
	     ERR_WORKSPACE_INVALID},
	    {"a mark for what came all the same", b, HEAD "f! 644 3 0 0 0 @two@ ws/b\nend 2\n",
	     ERR_WORKSPACE_INVALID},
	    {"a wrong hash", b, HEAD "f 644 3 0 0 0 @old@ ws/b\nend 2\n", ERR_WORKSPACE_INVALID},
	    {"a wrong size", b, HEAD "f 644 4 0 0 0 @new@ ws/b\nend 2\n", ERR_WORKSPACE_INVALID},
	    {"a wrong mode", b, HEAD "f 755 3 0 0 0 @new@ ws/b\nend 2\n", ERR_WORKSPACE_INVALID},
	    {"no hash", b, HEAD "f 644 3 0 0 0 - ws/b\nend 2\n", ERR_WORKSPACE_INVALID},
	    {"a file that is not there", plain, HEAD B "end 2\n", ERR_WORKSPACE_INVALID},
	    {"a file that is not told of", extra, HEAD B "end 2\n", ERR_WORKSPACE_INVALID},
	    {"one behind all that is told of", last, HEAD B "end 2\n", ERR_WORKSPACE_INVALID},
	    {"a file for a link", link, HEAD "l 777 1 0 0 0 - ws/link\ta\nend 2\n",
	     ERR_WORKSPACE_INVALID},
	    {"a file for a directory", b, HEAD "d 755 0 0 0 0 - ws/b\nend 2\n",
	     ERR_WORKSPACE_INVALID},
	    {"no list", none, HEAD B "end 2\n", ERR_WORKSPACE_INVALID},
	    {"two lists", twice, HEAD B "end 2\n", ERR_WORKSPACE_INVALID},
	    {"a list in the middle", middle, HEAD B "end 2\n", ERR_WORKSPACE_INVALID},
	    {"a file twice", two, HEAD B "end 2\n", ERR_WORKSPACE_INVALID},
	    {"a list that is cut off", b, HEAD B, ERR_BAD_DATA},
	    {"a list with another count", b, HEAD B "end 3\n", ERR_BAD_DATA},
	    {"a list that goes on", b, HEAD B "end 2\n" A, ERR_BAD_DATA},
	    {"a list in another order", b, HEAD B A "end 3\n", ERR_BAD_DATA},
	    {"a list that is none", b, "nonsense\n", ERR_BAD_DATA},
	    {"an empty list", b, "", ERR_BAD_DATA},
	    {"a directory with a mark", b, HEAD B "d! 755 0 0 0 0 - ws/d\nend 3\n", ERR_BAD_DATA},
	    {"a link with a mark", b, HEAD B "l! 777 1 0 0 0 - ws/l\ta\nend 3\n",
	     ERR_WORKSPACE_INVALID},
	    {"a path that leads out", plain, HEAD "d 755 0 0 0 0 - ws/..\nend 2\n",
	     ERR_WORKSPACE_INVALID},
	    {"a link that leads out", b, HEAD B "l 777 4 0 0 0 - ws/l\t../x\nend 3\n",
	     ERR_WORKSPACE_INVALID},
	    {"an absolute path", plain, "awcp-manifest 1\nd 755 0 0 0 0 - /etc\nend 1\n",
	     ERR_WORKSPACE_INVALID},
	    {"a folder that was not lent", plain, "awcp-manifest 1\nd 755 0 0 0 0 - xs\nend 1\n",
	     ERR_WORKSPACE_INVALID},
	    {"a path below a file", plain, HEAD A "d 755 0 0 0 0 - ws/a/c\nend 3\n",
	     ERR_WORKSPACE_INVALID},
	    {"setuid", b, HEAD "f 4644 3 0 0 0 @new@ ws/b\nend 2\n", ERR_WORKSPACE_INVALID},
	};
	struct delta d;
	struct err e;

	for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
		enum err_code code = take(lies[i].sent, lies[i].list, &d, &e);
		CHECK(code == lies[i].code, "%s is refused (%s)", lies[i].what,
		      code == ERR_NONE ? "it was not" : e.message);
		CHECK_INT(code == ERR_NONE ? 0 : err_exit(code), 65, "as bad data");
	}
}

static void
test_many(void)
{
	static const struct sent plain[] = {LIST, END};
	char list[8192] = HEAD;
	struct delta d;
	struct err e;

	for (int i = 10; i < 35; i++)
		(void)snprintf(list + strlen(list), sizeof list - strlen(list),
			       "d 755 0 0 0 0 - ws/%d\n", i);
	(void)snprintf(list + strlen(list), sizeof list - strlen(list), "end 26\n");
	CHECK_INT(take(plain, list, &d, &e), ERR_WORKSPACE_TOO_LARGE,
		  "a list has no more entries than an archive may have");
}

int
main(void)
{
	scratch_open();
	make_base();
	test_truth();
	test_lies();
	test_many();
	return check_end();
}
