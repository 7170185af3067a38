/*
 * apply_test - the three-way rule, path by path, on real directories.
 *
 * A case is four shell scripts: what was sent, what became of it there, what became of it here, and
 * what is to be here in the end, each run in a copy of what was sent.
 */
#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/apply.h"
#include "base/file.h"
#include "folding.h"
#include "archive/pack.h"
#include "archive/unpack.h"

/* What there is in a directory: types, modes, link targets and content. */
#define LIST                                                   \
	"find . -mindepth 1 -printf '%y %m %P %l\\n' | sort; " \
	"find . -type f -exec sha256sum {} + | sort -k 2"

/* And when each was changed. */
#define LIST_TIMES LIST "; find . -printf '%P %T@\\n' | sort"

/* And which files they are. */
#define LIST_ALL LIST_TIMES "; find . -type f -printf '%P %i %u\\n' | sort"

struct example {
	const char *name;
	bool fidelity;
	const char *base, *theirs, *ours, *want; /* NULL ${want}: a conflict, and ours stays */
	const char *told;                        /* what apply reports */
};

#define TREE "mkdir -p d/e; echo one >f; echo two >d/g; echo three >d/e/h; chmod 755 d/g; "

static const struct example examples[] = {
    {"nothing changes", true, TREE, ":", ":", ":", ""},
    {"a new file is added", true, TREE, "echo n >d/n", ":", "echo n >d/n", "A ws/d/n\n"},
    {"new directories are made for it", true, TREE, "mkdir -p x/y; echo n >x/y/n", ":",
     "mkdir -p x/y; echo n >x/y/n", "A ws/x/\nA ws/x/y/\nA ws/x/y/n\n"},
    {"a changed file is changed", true, TREE, "echo new >f", ":", "echo new >f", "C ws/f\n"},
    {"a deleted file is deleted", true, TREE, "rm f", ":", "rm f", "D ws/f\n"},
    {"a deleted tree is deleted", true, TREE, "rm -r d", ":", "rm -r d",
     "D ws/d/e/h\nD ws/d/e/\nD ws/d/g\nD ws/d/\n"},
    {"an empty file and an empty directory come", true, TREE, ": >z; mkdir y", ":", ": >z; mkdir y",
     "A ws/y/\nA ws/z\n"},
    {"names of any kind", true, TREE,
     "echo a >'a b'; echo n >\"$(printf 'n\\nl')\"; echo b >'b\\c'", ":",
     "echo a >'a b'; echo n >\"$(printf 'n\\nl')\"; echo b >'b\\c'",
     "A ws/a b\nA ws/b\\c\nA ws/n\nl\n"},

    {"our own changes stay", true, TREE, "echo new >f", "echo ours >d/g; echo x >x; rm d/e/h",
     "echo new >f; echo ours >d/g; echo x >x; rm d/e/h", "C ws/f\n"},
    {"the same change on both sides", true, TREE, "echo new >f; rm d/g; echo a >a",
     "echo new >f; rm d/g; echo a >a", "echo new >f; rm d/g; echo a >a", ""},
    {"files of ours in a directory that they deleted", true, TREE, "rm -r d", "echo x >d/e/x",
     "rm d/g d/e/h; echo x >d/e/x", "D ws/d/e/h\nD ws/d/g\n"},
    {"a file that was only touched is not changed", true, TREE, "echo new >f",
     "touch -d 2001-01-01 f", "echo new >f", "C ws/f\n"},
    {"a new file in a directory that we deleted", true, TREE, "echo n >d/e/n", "rm -r d/e",
     "rm d/e/h; echo n >d/e/n", "A ws/d/e/\nA ws/d/e/n\n"},

    {"both changed", true, TREE, "echo theirs >f", "echo ours >f", NULL,
     "! ws/f: changed on both sides\n"},
    {"changed here, deleted there", true, TREE, "rm f; echo x >d/g", "echo ours >f", NULL,
     "! ws/f: changed here, deleted there\n"},
    {"deleted here, changed there", true, TREE, "echo theirs >f", "rm f", NULL,
     "! ws/f: deleted here, changed there\n"},
    {"both added", true, TREE, "echo theirs >n", "echo ours >n", NULL,
     "! ws/n: added on both sides\n"},
    {"all conflicts are told", true, TREE, "echo t >f; echo t >d/g", "echo o >f; echo o >d/g", NULL,
     "! ws/d/g: changed on both sides\n! ws/f: changed on both sides\n"},
    {"their file, our directory", true, TREE, "echo n >n", "mkdir n", NULL,
     "! ws/n: added on both sides\n"},
    {"a new file where we replaced its directory", true, TREE, "echo n >d/e/n",
     "rm -r d/e; echo e >d/e", NULL, "! ws/d/e/n: added there, where there is no directory here\n"},

    {"a file becomes a directory", true, TREE, "rm f; mkdir f; echo n >f/n", ":",
     "rm f; mkdir f; echo n >f/n", "C ws/f\nA ws/f/n\n"},
    {"a directory becomes a file", true, TREE, "rm -r d; echo d >d", ":", "rm -r d; echo d >d",
     "D ws/d/e/h\nD ws/d/e/\nD ws/d/g\nC ws/d\n"},
    {"a directory with files of ours becomes a file", true, TREE, "rm -r d; echo d >d",
     "echo x >d/e/x", NULL, "! ws/d: a file there, a directory with files of yours here\n"},
    {"a file becomes a link and back", true, TREE "ln -s f l", "rm f l; ln -s d/g f; echo l >l",
     ":", "rm f l; ln -s d/g f; echo l >l", "C ws/f\nC ws/l\n"},
    {"a link that leads elsewhere", true, TREE "ln -s f l", "ln -sf d/g l", ":", "ln -sf d/g l",
     "C ws/l\n"},
    {"a link becomes a directory", true, TREE "ln -s f l", "rm l; mkdir l; echo n >l/n", ":",
     "rm l; mkdir l; echo n >l/n", "C ws/l\nA ws/l/n\n"},

    {"their mode is taken", true, TREE, "chmod 700 f d", ":", "chmod 700 f d",
     "C ws/d/\nC ws/f: executable now\n"},
    {"our mode and their content", true, TREE, "echo new >f", "chmod 600 f",
     "echo new >f; chmod 600 f", "C ws/f\n"},
    {"our content and their mode", true, TREE, "chmod 700 f", "echo ours >f",
     "echo ours >f; chmod 700 f", "C ws/f: executable now\n"},
    {"both changed the mode", true, TREE, "chmod 700 f", "chmod 600 f", NULL,
     "! ws/f: mode changed on both sides\n"},
    {"our mode, and something else there", true, TREE, "rm f; mkdir f; echo n >f/n", "chmod 600 f",
     NULL,
     "! ws/f: mode changed here, something else there\n"
     "! ws/f/n: added there, where there is no directory here\n"},
    {"our mode of a directory that they deleted", true, TREE, "rm -r d/e", "chmod 700 d/e", NULL,
     "! ws/d/e: changed here, deleted there\n"},
    {"our mode under a directory that became a file", true, TREE, "rm -r d; echo d >d",
     "chmod 700 d/e", NULL,
     "! ws/d/e: changed here, deleted there\n"
     "! ws/d: a file there, a directory with files of yours here\n"},
    {"what is new has no more than the umask lets it have", true, TREE,
     "echo n >n; mkdir m; echo o >m/o; chmod 666 n; chmod 777 m m/o; chmod 666 f", "echo x >x",
     "echo n >n; mkdir m; echo o >m/o; chmod 755 m/o; chmod 666 f; echo x >x",
     "C ws/f\nA ws/m/\nA ws/m/o: executable now\nA ws/n\n"},
    {"a directory that becomes read-only is filled first", true, TREE,
     "mkdir r; echo n >r/n; chmod 555 r", ":", "mkdir r; echo n >r/n; chmod 555 r",
     "A ws/r/\nA ws/r/n\nC ws/r/\n"},

    {"a worker's touch is nobody's change, and is taken", true, TREE,
     "touch -d 2001-01-01T01:01:01.123456789 f d/g d; touch -h -d 1969-01-01T01:01:01.5 d/e", ":",
     ":", ""},
    {"a link's time, a mode and a time", true, TREE "ln -s f l",
     "touch -h -d 2001-01-01 l; chmod 700 f; touch -d 2002-02-02 f .", ":", "chmod 700 f",
     "C ws/f: executable now\n"},
    {"times are no conflict", true, TREE, "touch -d 2001-01-01 f; touch d/g; echo n >d/e/h",
     "touch -d 2003-03-03 f; echo ours >d/g; echo ours >d/o",
     "echo ours >d/g; echo ours >d/o; echo n >d/e/h", "C ws/d/e/h\n"},
    {"in a setgid directory nothing changes who shares it", true, TREE "chmod 2775 d d/e",
     "chmod 2755 d; mkdir d/n; rm -r d/e", ":", "chmod 2755 d; mkdir d/n; rm -r d/e",
     "D ws/d/e/h\nD ws/d/e/\nA ws/d/n/\nC ws/d/\n"},

    {"of git's own files nothing is taken, of the rest everything", true,
     TREE "mkdir -p .git/hooks d/.git; echo c >.git/config; echo h >d/.git/HEAD",
     "echo evil >>.git/config; echo x >.git/hooks/x; chmod +x .git/hooks/x; rm -r d; mkdir n; "
     "echo gitdir: evil >n/.git; mkdir n/.GIT; ln -s ../d n/git~1; echo new >f",
     ":", "rm -r d/e d/g; mkdir n; echo new >f",
     "- ws/.git/config: never taken, and 4 more like it\nD ws/d/e/h\nD ws/d/e/\nD ws/d/g\n"
     "C ws/f\nA ws/n/\n"},
    {"nor by a peer that loses modes, or changed kinds", false,
     TREE "mkdir .git; echo c >.git/config; echo gitdir: x >d/.git; ln -s .. d/e/.git",
     "rm -r .git d/.git d/e/.git; echo gitdir: evil >.git; mkdir d/.git d/e/.git; "
     "echo e >d/.git/config; echo e >d/e/.git/HEAD; echo new >f",
     ":", "echo new >f", "- ws/.git: never taken, and 4 more like it\nC ws/f\n"},
    {"guarded paths are a conflict, whatever became of them", true,
     TREE "mkdir -p .vscode .husky d/.idea .claude; echo i >.awcpignore; echo e >d/.envrc; "
	  "echo h >.husky/pre-push; echo s >.claude/settings.json; echo x >d/.idea/x",
     "rm .awcpignore; echo evil >d/.envrc; chmod +x .husky/pre-push; rm -r d/.idea; ln -s e "
     "d/.idea; "
     "echo t >.vscode/tasks.json; mkdir d/e/.VSCODE; echo t >d/e/.VSCODE/x; mv .claude d/; echo "
     "new >f; "
     "echo x >\"d/$(printf 'txt.\\342\\200\\256gpj')\"",
     ":", NULL,
     "G ws/.awcpignore: guarded, and deleted there\n"
     "G ws/.claude/settings.json: guarded, and deleted there\n"
     "G ws/.husky/pre-push: guarded, and changed there\n"
     "G ws/.vscode/tasks.json: guarded, and made there\n"
     "G ws/d/.claude/settings.json: guarded, and made there\n"
     "G ws/d/.envrc: guarded, and changed there\n"
     "G ws/d/.idea: guarded, and changed there\n"
     "G ws/d/.idea/x: guarded, and deleted there\n"
     "G ws/d/e/.VSCODE/x: guarded, and made there\n"
     "G ws/d/txt.\342\200\256gpj: guarded for its name, and made there\n"},
    {"a repository of its own is guarded", true,
     TREE "mkdir b.git; echo r >b.git/HEAD; echo c >b.git/config",
     "echo evil >b.git/config; mkdir d/objects d/refs; echo r >d/HEAD; echo c >d/config; mkdir "
     "HEAD",
     ":", NULL,
     "G ws/b.git/config: guarded, and changed there\nG ws/d/HEAD: guarded for its name, and made "
     "there\n"
     "G ws/d/config: guarded, and made there\n"},
    {"what is guarded, and here as it is there, is no conflict", true,
     TREE "echo e >.envrc; mkdir .idea",
     "echo n >.envrc; mkdir .vscode; echo x >.vscode/x; rmdir .idea; touch -d 2001-01-01 f",
     "echo n >.envrc; mkdir .vscode; echo x >.vscode/x; chmod 600 .vscode/x",
     "rmdir .idea; echo n >.envrc; mkdir .vscode; echo x >.vscode/x; chmod 600 .vscode/x",
     "D ws/.idea/\n"},

    {"a peer that loses modes changes none", false, TREE, "chmod 600 d/g f; chmod 700 d", ":", ":",
     ""},
    {"a changed file keeps its old mode", false, TREE, "echo new >d/g; chmod 644 d/g", ":",
     "echo new >d/g", "C ws/d/g\n"},
    {"new files are 0644, scripts 0755", false, TREE,
     "echo n >n; echo '#!/bin/sh' >s; chmod 600 n s", ":",
     "echo n >n; echo '#!/bin/sh' >s; chmod 755 s", "A ws/n\nA ws/s: executable now\n"},
    {"a link that comes back as a file stays a link", false, TREE "ln -s f l",
     "rm l; cp f l; echo new >d/g", ":", "echo new >d/g", "C ws/d/g\n"},
    {"a link whose content changed becomes a file", false, TREE "ln -s f l", "rm l; echo new >l",
     ":", "rm l; echo new >l", "C ws/l\n"},
    {"a link to a directory was not sent and stays", false, TREE "ln -s d l", "rm l", ":", ":", ""},
    {"a file in the place of a link that was not sent", false, TREE "ln -s d l", "rm l; echo l >l",
     ":", NULL, "! ws/l: added on both sides\n"},
};

#define SETTLE_TREE TREE "printf '%s\\n' 1 2 3 4 5 6 7 8 9 >t; "

static const struct settled {
	enum apply_settle how;
	bool markers;
	const char *only; /* or NULL */
	struct example example;
} settled[] = {
    {APPLY_THEIRS,
     false,
     NULL,
     {"theirs: changed on both sides", true, TREE, "echo theirs >f; chmod 700 f", "echo ours >f",
      "echo theirs >f; chmod 700 f",
      "= ws/f: changed on both sides; theirs is taken\nC ws/f: executable now\n"}},
    {APPLY_THEIRS,
     false,
     NULL,
     {"theirs: deleted there", true, TREE, "rm f", "echo ours >f", "rm f",
      "= ws/f: changed here, deleted there; theirs is taken\nD ws/f\n"}},
    {APPLY_THEIRS,
     false,
     NULL,
     {"theirs: deleted here", true, TREE, "echo theirs >d/e/h", "rm -r d/e", "echo theirs >d/e/h",
      "= ws/d/e/h: deleted here, changed there; theirs is taken\nA ws/d/e/\nA ws/d/e/h\n"}},
    {APPLY_THEIRS,
     false,
     NULL,
     {"theirs: deleted there, a directory here", true, TREE, "rm f",
      "rm f; mkdir -p f/x; echo ours >f/x/y", "rm f",
      "= ws/f: changed here, deleted there; theirs is taken\n"
      "= ws/f/x: added here, where there is no directory; theirs is taken\n"
      "= ws/f/x/y: added here, where there is no directory; theirs is taken\n"
      "D ws/f/x/y\nD ws/f/x/\nD ws/f/\n"}},
    {APPLY_THEIRS,
     false,
     NULL,
     {"theirs: their file, our directory", true, TREE, "echo n >n", "mkdir n; echo o >n/o",
      "echo n >n",
      "= ws/n: added on both sides; theirs is taken\n"
      "= ws/n/o: added here, where there is no directory; theirs is taken\n"
      "D ws/n/o\nC ws/n\n"}},
    {APPLY_THEIRS,
     false,
     NULL,
     {"theirs: their directory, our file", true, TREE, "mkdir n; echo n >n/n", "echo o >n",
      "mkdir n; echo n >n/n", "= ws/n: added on both sides; theirs is taken\nC ws/n\nA ws/n/n\n"}},
    {APPLY_THEIRS,
     false,
     NULL,
     {"theirs: a new file where we replaced its directory", true, TREE, "echo n >d/e/n",
      "rm -r d/e; echo e >d/e", "rm d/e/h; echo n >d/e/n",
      "= ws/d/e/n: added there, where there is no directory here; theirs is taken\n"
      "C ws/d/e\nA ws/d/e/n\n"}},
    {APPLY_THEIRS,
     false,
     NULL,
     {"theirs: a directory with files of ours becomes a file", true, TREE, "rm -r d; echo d >d",
      "echo x >d/e/x; echo y >d/g", "rm -r d; echo d >d",
      "= ws/d/e/x: added here, where there is no directory; theirs is taken\n"
      "= ws/d/g: changed here, deleted there; theirs is taken\n"
      "D ws/d/e/h\nD ws/d/e/x\nD ws/d/e/\nD ws/d/g\nC ws/d\n"}},
    {APPLY_THEIRS,
     false,
     NULL,
     {"theirs: mode changed on both sides", true, TREE, "chmod 700 f", "chmod 600 f", "chmod 700 f",
      "= ws/f: mode changed on both sides; theirs is taken\nC ws/f: executable now\n"}},
    {APPLY_THEIRS,
     false,
     NULL,
     {"theirs: a link and a file", true, TREE, "rm f; ln -s d f", "echo ours >f", "rm f; ln -s d f",
      "= ws/f: changed on both sides; theirs is taken\nC ws/f\n"}},
    {APPLY_THEIRS,
     false,
     "d",
     {"theirs: not where nobody asked for it", true, TREE, "echo t >f; echo t >d/g",
      "echo o >f; echo o >d/g", NULL,
      "= ws/d/g: changed on both sides; theirs is taken\n! ws/f: changed on both sides\n"}},
    {APPLY_THEIRS,
     false,
     "ws/d/",
     {"theirs: only where it is asked for", true, TREE, "echo t >d/e/h; echo n >f", "echo o >d/e/h",
      "echo t >d/e/h; echo n >f",
      "= ws/d/e/h: changed on both sides; theirs is taken\nC ws/d/e/h\nC ws/f\n"}},

    {APPLY_OURS,
     false,
     NULL,
     {"ours: changed on both sides, and another file", true, TREE, "echo theirs >f; echo n >d/g",
      "echo ours >f", "echo ours >f; echo n >d/g",
      "= ws/f: changed on both sides; ours stays\nC ws/d/g\n"}},
    {APPLY_OURS,
     false,
     "f",
     {"ours: what is named stays as it is", true, TREE, "echo theirs >f; echo n >d/g", ":",
      "echo n >d/g", "= ws/f: changed there; ours stays\nC ws/d/g\n"}},
    {APPLY_OURS,
     false,
     "d/e",
     {"ours: a directory that is named stays as it is", true, TREE, "rm -r d; echo n >f", ":",
      "rm d/g; echo n >f", "= ws/d/e: changed there; ours stays\nD ws/d/g\nC ws/f\n"}},
    {APPLY_OURS,
     false,
     NULL,
     {"ours: deleted here", true, TREE, "echo theirs >f", "rm f", "rm f",
      "= ws/f: deleted here, changed there; ours stays\n"}},
    {APPLY_OURS,
     false,
     NULL,
     {"ours: deleted here, a directory there", true, TREE, "rm f; mkdir f; echo n >f/n", "rm f",
      "rm f", "= ws/f: deleted here, changed there; ours stays\n"}},
    {APPLY_OURS,
     false,
     NULL,
     {"ours: their directory, our file", true, TREE, "mkdir n; echo n >n/n", "echo o >n",
      "echo o >n", "= ws/n: added on both sides; ours stays\n"}},
    {APPLY_OURS,
     false,
     NULL,
     {"ours: a directory with files of ours becomes a file", true, TREE, "rm -r d; echo d >d",
      "echo x >d/x", "rm -r d; mkdir d; echo x >d/x",
      "= ws/d: a file there, a directory with files of yours here; ours stays\n"
      "D ws/d/e/h\nD ws/d/e/\nD ws/d/g\n"}},

    {APPLY_THEIRS,
     false,
     NULL,
     {"theirs: what is guarded must be named", true, TREE "echo e >.envrc",
      "echo t >f; echo t >.envrc", "echo o >f", NULL,
      "G ws/.envrc: guarded, and changed there\n= ws/f: changed on both sides; theirs is taken\n"}},
    {APPLY_THEIRS,
     false,
     ".vscode/a",
     {"theirs: what is guarded and named is taken, and no more", true, TREE,
      "mkdir .vscode; echo a >.vscode/a; echo b >.vscode/b", ":", NULL,
      "G ws/.vscode/b: guarded, and made there\n"}},
    {APPLY_THEIRS,
     false,
     ".vscode",
     {"theirs: all that is guarded in a directory", true, TREE,
      "mkdir .vscode; echo a >.vscode/a; echo b >.vscode/b", ":",
      "mkdir .vscode; echo a >.vscode/a; echo b >.vscode/b",
      "A ws/.vscode/\nA ws/.vscode/a\nA ws/.vscode/b\n"}},
    {APPLY_THEIRS,
     false,
     "d",
     {"theirs: a directory goes, but not git's own files in it", true, TREE, "rm -r d; echo d >d",
      "mkdir d/.git; echo o >d/.git/config", NULL,
      "! ws/d: a file there, a directory with files of yours here\n"}},
    {APPLY_OURS,
     false,
     NULL,
     {"ours: what is guarded stays", true,
      TREE "echo e >.envrc; mkdir .husky .idea; echo h >.husky/h; echo i >.idea/i",
      "echo t >.envrc; rm -r .husky; mkdir .vscode; echo x >.vscode/x; rm -r .idea; ln -s d .idea; "
      "echo n >f",
      ":", "echo n >f",
      "= ws/.envrc: guarded, and changed there; ours stays\n"
      "= ws/.husky/h: guarded, and deleted there; ours stays\n"
      "= ws/.idea: guarded, and changed there; ours stays\n"
      "= ws/.vscode/x: guarded, and made there; ours stays\nC ws/f\n"}},
    {APPLY_MERGE,
     false,
     NULL,
     {"merge: changed on both sides other lines", true, SETTLE_TREE,
      "sed -i 2s/.*/theirs/ t; chmod 700 t", "sed -i 8s/.*/ours/ t",
      "sed -i -e 2s/.*/theirs/ -e 8s/.*/ours/ t; chmod 700 t",
      "= ws/t: changed on both sides; merged\nC ws/t: executable now\n"}},
    {APPLY_MERGE,
     false,
     NULL,
     {"merge: among other changes", true, SETTLE_TREE, "sed -i 2s/.*/theirs/ t; echo n >d/e/h",
      "sed -i 8s/.*/ours/ t; echo o >d/g",
      "sed -i -e 2s/.*/theirs/ -e 8s/.*/ours/ t; echo n >d/e/h; echo o >d/g",
      "= ws/t: changed on both sides; merged\nC ws/d/e/h\nC ws/t\n"}},
    {APPLY_MERGE,
     false,
     NULL,
     {"merge: all of theirs is here", true, SETTLE_TREE, "sed -i 2s/.*/x/ t",
      "sed -i -e 2s/.*/x/ -e 8s/.*/ours/ t", "sed -i -e 2s/.*/x/ -e 8s/.*/ours/ t",
      "= ws/t: changed on both sides; merged\n"}},
    {APPLY_MERGE,
     false,
     NULL,
     {"merge: the changes overlap", true, SETTLE_TREE, "sed -i 2s/.*/theirs/ t; echo n >f",
      "sed -i 2s/.*/ours/ t", NULL, "! ws/t: changed on both sides, and the changes overlap\n"}},
    {APPLY_MERGE,
     true,
     NULL,
     {"merge: markers, if they are asked for", true, SETTLE_TREE, "sed -i 2s/.*/theirs/ t",
      "sed -i 2s/.*/ours/ t",
      "printf '%s\\n' 1 '<<<<<<< ours' ours ======= theirs '>>>>>>> theirs' 3 4 5 6 7 8 9 >t",
      "= ws/t: changed on both sides, and the changes overlap; merged\nC ws/t: has conflict "
      "markers\n"}},
    {APPLY_MERGE,
     true,
     NULL,
     {"merge: added on both sides", true, TREE, "echo t >n", "echo o >n",
      "printf '%s\\n' '<<<<<<< ours' o ======= t '>>>>>>> theirs' >n",
      "= ws/n: changed on both sides, and the changes overlap; merged\nC ws/n: has conflict "
      "markers\n"}},
    {APPLY_MERGE,
     true,
     NULL,
     {"merge: what is not text", true, SETTLE_TREE, "printf 'a\\0' >t", "echo ours >t", NULL,
      "! ws/t: changed on both sides, and not text\n"}},
    {APPLY_MERGE,
     true,
     NULL,
     {"merge: what is no file", true, SETTLE_TREE, "rm t; ln -s f t; rm f", "echo ours >t", NULL,
      "! ws/t: changed on both sides\n"}},
};

/* With what is guarded, too. */
static const struct settled guarded[] = {
    {APPLY_ASK,
     false,
     NULL,
     {"guarded: everything that is, but nothing of git's own", true,
      TREE "echo e >.envrc; mkdir .husky .git; echo h >.husky/h; echo c >.git/config",
      "echo t >.envrc; rm -r .husky; mkdir .vscode; echo x >.vscode/x; echo t >.git/config", ":",
      "echo t >.envrc; rm -r .husky; mkdir .vscode; echo x >.vscode/x",
      "- ws/.git/config: never taken\nC ws/.envrc\nD ws/.husky/h\nD ws/.husky/\nA ws/.vscode/\n"
      "A ws/.vscode/x\n"}},
    {APPLY_MERGE,
     false,
     ".envrc",
     {"guarded: merged where both changed it", true, SETTLE_TREE "cp t .envrc",
      "sed -i 2s/.*/theirs/ .envrc", "sed -i 8s/.*/ours/ .envrc",
      "sed -i -e 2s/.*/theirs/ -e 8s/.*/ours/ .envrc",
      "= ws/.envrc: changed on both sides; merged\nC ws/.envrc\n"}},
};

#define FOLD_TREE "mkdir docs; echo 1 >docs/a; echo readme >readme.md; echo 1 >other; "
#define FOLDED "is one name with another one's here, where case or form do not count"

/* Names that fold to one another. */
static const struct settled folded[] = {
    {APPLY_ASK,
     false,
     NULL,
     {"fold: a file gets capitals", true, FOLD_TREE, "mv readme.md README.md; echo 2 >>other", ":",
      "mv readme.md README.md; echo 2 >>other", "D ws/readme.md\nA ws/README.md\nC ws/other\n"}},
    {APPLY_ASK,
     false,
     NULL,
     {"fold: a file loses them, and changes", true, "echo readme >README.md; ",
      "rm README.md; echo new >readme.md", ":", "rm README.md; echo new >readme.md",
      "D ws/README.md\nA ws/readme.md\n"}},
    {APPLY_ASK,
     false,
     NULL,
     {"fold: a directory gets capitals", true, FOLD_TREE, "mv docs Docs; echo 2 >Docs/b", ":",
      "mv docs Docs; echo 2 >Docs/b",
      "D ws/docs/a\nD ws/docs/\nA ws/Docs/\nA ws/Docs/a\nA ws/Docs/b\n"}},
    {APPLY_ASK,
     false,
     NULL,
     {"fold: a directory loses them", true, "mkdir -p Docs/E; echo 1 >Docs/E/a; ", "mv Docs docs",
      ":", "mv Docs docs",
      "D ws/Docs/E/a\nD ws/Docs/E/\nD ws/Docs/\nA ws/docs/\nA ws/docs/E/\nA ws/docs/E/a\n"}},
    {APPLY_ASK,
     false,
     NULL,
     {"fold: a letter is put together", true, "echo 1 >\"$(printf 'cafe\\314\\201')\"; ",
      "mv caf* \"$(printf 'caf\\303\\251')\"", ":", "mv caf* \"$(printf 'caf\\303\\251')\"",
      "D ws/cafe\314\201\nA ws/caf\303\251\n"}},
    {APPLY_ASK,
     false,
     NULL,
     {"fold: and taken apart", true, "echo 1 >\"$(printf 'CAF\\303\\211')\"; ",
      "mv CAF* \"$(printf 'cafe\\314\\201')\"", ":", "mv CAF* \"$(printf 'cafe\\314\\201')\"",
      "D ws/CAF\303\211\nA ws/cafe\314\201\n"}},
    {APPLY_ASK,
     false,
     NULL,
     {"fold: a name beside one of ours", true, FOLD_TREE, "echo 2 >README.md; echo 2 >>other", ":",
      NULL, "! ws/README.md: " FOLDED "\n"}},
    {APPLY_OURS,
     false,
     NULL,
     {"fold: a name beside one of ours, settled", true, FOLD_TREE,
      "echo 2 >README.md; echo 2 >>other", "touch -d 2001-01-01 other", "echo 2 >>other",
      "= ws/README.md: " FOLDED "; ours stays\nC ws/other\n"}},
    {APPLY_ASK,
     false,
     NULL,
     {"fold: two new names", true, FOLD_TREE, "echo 1 >New; echo 2 >new; echo 2 >>other", ":", NULL,
      "! ws/new: " FOLDED "\n"}},
    {APPLY_OURS,
     false,
     "new",
     {"fold: two new names, settled", true, FOLD_TREE, "echo 1 >New; echo 2 >new; echo 2 >>other",
      ":", "echo 1 >New; echo 2 >>other",
      "= ws/new: changed there; ours stays\nA ws/New\nC ws/other\n"}},
};

static char where[64]; /* the test's directory */
static bool folds;     /* on its file system case and form of letters do not count */

/* Run ${script} in ${directory} of the test; its exit status. */
static int
shell(const char *directory, const char *script)
{
	char command[8192];
	snprintf(command, sizeof command, "cd %s/%s && umask 022 && { %s\n}", where, directory,
		 script);
	return system(command);
}

static void
tell(void *arg, enum apply_action action, const char *path, const char *why)
{
	static const char letters[] = "ACD!=G-";
	if (why)
		buf_printf(arg, NULL, "%c %s: %s\n", letters[action], path, why);
	else
		buf_printf(arg, NULL, "%c %s\n", letters[action], path);
}

static int
open_new(const char *name)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", where, name);
	return open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

/* Pack ${directory} as resource "ws". */
static int
send(const char *directory, bool fidelity, int archive, int manifest, struct err *e)
{
	char source[128];
	struct pack_totals totals;
	struct pack_options options = {
	    .format = fidelity ? PACK_TAR : PACK_ZIP, .fidelity = fidelity, .compress = true};
	snprintf(source, sizeof source, "%s/%s", where, directory);
	struct resource r = {.name = (char *)"ws", .source = source, .writable = true};
	return pack(&r, 1, &options, &(struct tree){manifest, archive, NULL}, &totals, e);
}

/* What comes back has modes and times as the archive has them. */
static int
list_back(int archive, int manifest, struct err *e)
{
	struct unpack_limits limits;
	struct unpack_totals totals;
	if (unpack_limits(&limits, e))
		return -1;
	return unpack(&(struct tree){manifest, archive, NULL}, -1, &limits, &totals, e);
}

/* What was applied can be undone. */
static void
undo(const struct example *x, const struct apply_job *done, struct buf *told)
{
	struct apply_totals totals;
	struct err e = {0};
	char state[128];
	snprintf(state, sizeof state, "%s/state/undone", where);
	CHECK(mkdir(state, 0700) == 0, "%s: undo has a directory", x->name);
	struct apply_job job = {.resources = done->resources,
				.count = done->count,
				.undo = true,
				.donefd = done->statefd,
				.statefd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
				.fidelity = done->fidelity,
				.times = done->times,
				.report = tell,
				.report_arg = told};
	folding = folds;
	int status = apply(&job, &totals, &e);
	folding = false;
	CHECK(status == 0, "%s: undone %s", x->name, e.message);
	CHECK(shell("ours", "{ " LIST_ALL "; } >../undone.list") == 0 &&
		  shell(".", "diff -u before.list undone.list") == 0,
	      "%s: the tree is as it was", x->name);
	close(job.statefd);
}

static void
try(const struct settled *s, bool take_guarded)
{
	const struct example *x = &s->example;
	const char *only = s->only;
	struct err e = {0};
	struct buf told = BUF_INIT(65536);
	struct apply_totals totals;
	char source[128], state[128];
	int sent = open_new("base.archive"), base = open_new("base.manifest");
	int back = open_new("theirs.zip"), theirs = open_new("theirs.manifest");
	int ready = shell(".", "chmod -R u+rwx .; rm -rf ours theirs want state; mkdir ours state");
	ready |= shell("ours", x->base) | send("ours", x->fidelity, sent, base, &e);
	ready |= shell(".", "cp -a ours theirs; cp -a ours want");
	ready |= shell("theirs", x->theirs) | shell("ours", x->ours);
	ready |= shell("want", x->want ? x->want : x->ours);
	ready |= send("theirs", x->fidelity, back, -1, &e) | list_back(back, theirs, &e);
	ready |= shell("ours", "{ " LIST_ALL "; } >../before.list");
	CHECK(ready == 0, "%s: prepared %s", x->name, e.message);

	snprintf(source, sizeof source, "%s/ours", where);
	snprintf(state, sizeof state, "%s/state", where);
	struct resource r = {.name = (char *)"ws", .source = source, .writable = true};
	const struct tree base_tree = {.manifestfd = base, .archivefd = sent};
	const struct tree came = {theirs, back, &base_tree};
	const struct apply_choice choice = {s->how, selection_of(&only, 1, &r, 1)};
	struct apply_job job = {.resources = &r,
				.count = 1,
				.theirs = &came,
				.statefd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
				.settle = only ? APPLY_ASK : s->how,
				.choices = &choice,
				.choice_count = only ? 1 : 0,
				.guarded = take_guarded,
				.markers = s->markers,
				.fidelity = x->fidelity,
				.times = x->fidelity,
				.report = tell,
				.report_arg = &told};
	folding = folds;
	int status = apply(&job, &totals, &e);
	folding = false;
	enum err_code wanted = x->want ? ERR_NONE : ERR_CONFLICT;
	CHECK((status ? e.code : ERR_NONE) == wanted, "%s: %s", x->name,
	      status ? e.message : "applied");
	CHECK_STR(told.data ? told.data : "", x->told, x->name);
	CHECK(shell("ours", "{ " LIST "; } >../ours.list") == 0 &&
		  shell("want", "{ " LIST "; } >../want.list") == 0 &&
		  shell(".", "diff -u want.list ours.list") == 0,
	      "%s: the tree is as it should be", x->name);
	bool all = totals.withheld + totals.settled == 0;
	if (status == 0 && x->fidelity && strcmp(x->ours, ":") == 0 && all)
		CHECK(shell("ours", "{ " LIST_TIMES "; } >../ours.list") == 0 &&
			  shell("theirs", "{ " LIST_TIMES "; } >../theirs.list") == 0 &&
			  shell(".", "diff -u theirs.list ours.list") == 0,
		      "%s: it is the worker's tree, with its times", x->name);
	if (status == 0 && faccessat(job.statefd, "undo", F_OK, 0) == 0)
		undo(x, &job, &told);
	buf_free(&told);
	int fds[] = {sent, base, back, theirs, job.statefd};
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
		close(fds[i]);
}

int
main(void)
{
	snprintf(where, sizeof where, "/tmp/apply_test.XXXXXX");
	if (!mkdtemp(where))
		return 1;
	umask(022);
	for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
		try(&(const struct settled){.example = examples[i]}, false);
	for (size_t i = 0; i < sizeof settled / sizeof settled[0]; i++)
		try(&settled[i], false);
	for (size_t i = 0; i < sizeof guarded / sizeof guarded[0]; i++)
		try(&guarded[i], true);
	folds = true;
	for (size_t i = 0; i < sizeof folded / sizeof folded[0]; i++)
		try(&folded[i], false);
	(void)shell(".", "chmod -R u+rwx .");
	file_remove_tree(AT_FDCWD, where, NULL);
	return check_end();
}
