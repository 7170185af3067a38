/*
 * guard - the names that something here obeys without being asked.  See guard.h.
 *
 * package.json, a Makefile and their like are not among them: those a person runs.
 */
#include "tree/guard.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "base/array.h"
#include "base/utf8.h"
#include "config/settings.h"
#include "tree/glob.h"

#define NAME_BYTES (2 * TREE_PATH) /* of a folded name: none gets twice as long */

static const char *const never[] = {".git", ".awcp"};

/* Patterns as in gitignore(5), for one name. */
static const char *const table[] = {
    /* what we leave out, and what git obeys */
    ".awcpignore", ".gitattributes", ".gitmodules", ".gitconfig", "gi7d29~*", "gi7eba~*",
    /* other version control */
    ".hg", ".hgrc", ".jj", ".sl", ".bzr", ".svn",
    /* what a commit runs */
    ".husky", ".huskyrc*", ".githooks", ".git-hooks", ".lefthook", ".lefthook*.y*ml",
    "lefthook*.y*ml", ".pre-commit-config.y*ml", ".overcommit.yml", ".lintstagedrc*",
    "lint-staged.config.*",
    /* on cd */
    ".envrc*", ".autoenv*", ".mise", ".mise.*toml", "mise.toml", "mise.*.toml", ".rtx.toml",
    ".rvmrc",
    /* editors */
    ".vscode", "*.code-workspace", ".idea", ".fleet", ".zed", ".vs", ".devcontainer",
    ".devcontainer.json", ".vim", ".vimrc*", ".lvimrc", ".local.vimrc", ".nvim", ".nvimrc",
    ".nvim.lua", ".exrc", ".dir-locals*.el", ".helix", ".kakrc", "*.sublime-project", ".settings",
    ".externaltoolbuilders", ".gdbinit", ".lldbinit",
    /* agents */
    ".claude", ".mcp.json", ".cursor", ".codex", ".gemini", ".windsurf", ".roo", ".kilocode",
    ".continue", ".cline", ".kiro", ".junie", ".trae", ".qwen", ".amazonq", ".augment", ".factory",
    ".goose", ".opencode", "opencode.json*", ".crush.json", "crush.json", ".aider.conf.y*ml",
    ".copilot",
    /* file managers and desktops */
    ".directory", "desktop.ini", "autorun.inf", ".autorun", ".config",
    /* a home directory */
    ".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases", ".profile",
    ".zshrc", ".zshenv", ".zprofile", ".zlogin", ".zlogout", ".kshrc", ".cshrc", ".tcshrc",
    ".login", ".logout", ".inputrc", ".pam_environment", ".xinitrc", ".xprofile", ".xsession*",
    ".ssh"};

/* What is not shown, and what Unicode and some file systems pass over when they compare. */
static const struct {
	uint32_t from, to;
} ignored[] = {{0xad, 0xad},      {0x34f, 0x34f},   {0x61c, 0x61c},     {0x115f, 0x1160},
	       {0x17b4, 0x17b5},  {0x180b, 0x180f}, {0x200b, 0x200f},   {0x202a, 0x202e},
	       {0x2060, 0x206f},  {0x3164, 0x3164}, {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},
	       {0xffa0, 0xffa0},  {0xfff0, 0xfff8}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
	       {0xe0000, 0xe0fff}};

/* What is equal to letters of ASCII, but for case, beyond ASCII. */
static const struct {
	uint32_t from;
	const char *to;
} letters[] = {{0xdf, "ss"},   {0x130, "i"},    {0x131, "i"},    {0x17f, "s"},   {0x37e, ";"},
	       {0x1e9e, "ss"}, {0x1fef, "`"},   {0x212a, "k"},   {0xfb00, "ff"}, {0xfb01, "fi"},
	       {0xfb02, "fl"}, {0xfb03, "ffi"}, {0xfb04, "ffl"}, {0xfb05, "st"}, {0xfb06, "st"}};

struct guard {
	char **names; /* folded */
	size_t count, cap;
	locale_t locale; /* for case beyond ASCII; 0 if the system has none */
	/* The directories with a HEAD that the last path lay in: the first of them have these
	 * lengths as beginnings of ${within}. */
	uint16_t lengths[TREE_PATH / 2 + 1];
	size_t depth;
	char within[TREE_PATH + 1];
};

static bool
is_ignored(uint32_t c)
{
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		if (c >= ignored[i].from && c <= ignored[i].to)
			return true;
	return false;
}

/* Write ${c} to ${out} as it is compared; returns the bytes. */
static size_t
fold_character(locale_t locale, uint32_t c, char *out)
{
	for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
		if (c == letters[i].from)
			return (size_t)(stpcpy(out, letters[i].to) - out);
	if (c < 0x80 || locale == (locale_t)0) {
		*out = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
		return c < 0x80 ? 1 : utf8_encode(c, out);
	}
	return utf8_encode((uint32_t)towlower_l((wint_t)c, locale), out);
}

/* Write the ${n} bytes of the name at ${s} to ${out} as all its spellings are. */
static void
fold(locale_t locale, const char *s, size_t n, char out[NAME_BYTES + 1])
{
	size_t used = 0, length;
	uint32_t c;

	for (size_t i = 0; i < n && used < NAME_BYTES - 4; i += length) {
		length = utf8_decode(s + i, &c);
		if (length == 0 || length > n - i) { /* a byte of something else */
			out[used++] = s[i];
			length = 1;
		} else if (c == ':' && i > 0) { /* NTFS: a stream of the file */
			break;
		} else if (!is_ignored(c)) {
			used += fold_character(locale, c, out + used);
		}
	}
	while (used > 0 && (out[used - 1] == '.' || out[used - 1] == ' '))
		used--;
	out[used] = '\0';
}

/* Is ${name} one that NTFS and FAT give ${known} besides: CLAUDE~1 is .claude? */
static bool
is_short_name(const char *name, const char *known)
{
	size_t n = strcspn(name, "~");

	if (name[n] == '\0' || name[n + 1] < '0' || name[n + 1] > '9' || n == 0 || n > 6)
		return false;
	known += strspn(known, ".");
	size_t most = strcspn(known, ".*");
	return strncmp(name, known, n) == 0 && n == (most < 6 ? most : 6);
}

static bool
is_name(const char *name, const char *known)
{
	return glob_match(known, name) || is_short_name(name, known);
}

static enum guarded
judge_name(const struct guard *g, const char *name)
{
	for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
		if (is_name(name, never[i]))
			return GUARD_NEVER;
	for (size_t i = 0; i < g->count; i++)
		if (is_name(name, g->names[i]))
			return GUARD_ASK;
	return GUARD_NONE;
}

enum guarded
guard_path(const struct guard *g, const char *path)
{
	enum guarded how = GUARD_NONE;
	char name[NAME_BYTES + 1];

	for (;;) {
		/* A backslash is part of a name here, and none elsewhere. */
		size_t n = strcspn(path, "/\\");
		fold(g->locale, path, n, name);
		enum guarded one = judge_name(g, name);
		how = one > how ? one : how;
		if (path[n] == '\0')
			return how;
		path += n + 1;
	}
}

bool
guard_source(const struct guard *g, const char *source)
{
	const char *slash = strrchr(source, '/');

	/* What lies above a directory says nothing of it, unless git's own files lie there. */
	return guard_path(g, source) == GUARD_NEVER ||
	       guard_path(g, slash != NULL ? slash + 1 : source) != GUARD_NONE;
}

static bool
is_below(const struct guard *g, const char *path, size_t length)
{
	return strncmp(path, g->within, length) == 0 && (length == 0 || path[length] == '/');
}

bool
guard_in_repository(struct guard *g, const char *path, bool is_dir)
{
	size_t n = strlen(path);
	bool head = !is_dir && n >= 4 && n <= TREE_PATH && strcmp(path + n - 4, "HEAD") == 0 &&
		    (n == 4 || path[n - 5] == '/');

	while (g->depth > 0 && !is_below(g, path, g->lengths[g->depth - 1]))
		g->depth--;
	size_t length = n > 4 ? n - 5 : 0;
	if (head && (g->depth == 0 || g->lengths[g->depth - 1] != length)) {
		memcpy(g->within, path, length);
		g->lengths[g->depth++] = (uint16_t)length;
	}
	return g->depth > 0;
}

bool
guard_deceives(const char *path)
{
	const char *slash = strrchr(path, '/');
	char name[NAME_BYTES + 1];
	size_t length;
	uint32_t c;

	for (const char *p = path; *p != '\0'; p += length) {
		length = utf8_decode(p, &c);
		if (length == 0)
			length = 1;
		else if (utf8_reorders(c))
			return true;
	}
	path = slash != NULL ? slash + 1 : path;
	fold((locale_t)0, path, strlen(path), name);
	return strcmp(name, "head") == 0;
}

static int
add_name(struct guard *g, const char *s, size_t n, struct err *e)
{
	char name[NAME_BYTES + 1];

	char **names = array_grow(g->names, g->count + 1, &g->cap, sizeof *names, e);
	if (names == NULL)
		return -1;
	g->names = names;
	fold(g->locale, s, n, name);
	g->names[g->count] = strdup(name);
	if (g->names[g->count] == NULL)
		return err_memory(e);
	g->count++;
	return 0;
}

/* Take the names out that ${s} stands for. */
static void
remove_names(struct guard *g, const char *s, size_t n)
{
	char name[NAME_BYTES + 1];
	size_t kept = 0;

	fold(g->locale, s, n, name);
	for (size_t i = 0; i < g->count; i++) {
		bool out = glob_match(name, g->names[i]);
		if (out)
			free(g->names[i]);
		else
			g->names[kept++] = g->names[i];
	}
	g->count = kept;
}

/* Do what AWCP_GUARDED says, ${text}: names with blanks or commas between them. */
static int
read_setting(struct guard *g, const char *text, struct err *e)
{
	for (const char *p = text + strspn(text, " ,\t"); *p != '\0'; p += strspn(p, " ,\t")) {
		size_t n = strcspn(p, " ,\t");
		size_t name = n > 1 && p[n - 1] == '/' ? n - 1 : n;
		if (memchr(p, '/', name) != NULL || name > TREE_PATH / 2) {
			err_set(e, ERR_CONFIG, "AWCP_GUARDED: %.*s is not a name", (int)name, p);
			return err_hint(e, "a name counts at any depth: write it without a slash");
		}
		if (*p == '-')
			remove_names(g, p + 1, name - 1);
		else if (add_name(g, p, name, e) < 0)
			return -1;
		p += n;
	}
	return 0;
}

struct guard *
guard_new(struct err *e)
{
	struct guard *g = calloc(1, sizeof *g);

	if (g == NULL) {
		err_memory(e);
		return NULL;
	}
	g->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (add_name(g, table[i], strlen(table[i]), e) < 0)
			goto err0;
	if (read_setting(g, setting_text(SETTING_GUARDED), e) < 0)
		goto err0;
	return g;
err0:
	guard_free(g);
	return NULL;
}

void
guard_free(struct guard *g)
{
	if (g == NULL)
		return;
	for (size_t i = 0; i < g->count; i++)
		free(g->names[i]);
	free(g->names);
	if (g->locale != (locale_t)0)
		freelocale(g->locale);
	free(g);
}
