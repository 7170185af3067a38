# completion.awk - makes the completion of bash or zsh from what the commands print with -h, so that
# it cannot differ from that.
#
#	for p in awcp-*; do echo "@ $p"; $p -h; done | awk -v shell=bash -f completion.awk
#
# Each -h of a subcommand follows that of its program.
#
# Of the usage it takes the subcommands with their options and operands; of the lines that describe
# options their values and the text.  "-x word" has a value, "-x  text" has none.

function add_option(scope, option) {
	if ((scope, option) in offered)
		return
	offered[scope, option] = 1
	options[scope] = options[scope] (options[scope] == "" ? "" : " ") option
}

# The options in one line of a usage, and the last operand.
function read_usage(scope, text,    n, i, j, words, word, option) {
	sub(/ [<>].*/, "", text)
	n = split(text, words, " ")
	option = ""
	for (i = 1; i <= n; i++) {
		word = words[i]
		gsub(/^\[+|\.\.\.|\]+$/, "", word)
		gsub(/\]+$/, "", word)
		if (word == "--" || word == "|" || word == "-")
			continue
		if (word ~ /^--/) {
			m = split(word, alternatives, "|")
			for (j = 1; j <= m; j++)
				add_option(scope, alternatives[j])
			option = alternatives[m]
		} else if (word ~ /^-/) {
			for (j = 2; j <= length(word); j++)
				add_option(scope, "-" substr(word, j, 1))
			option = "-" substr(word, length(word), 1)
		} else if (option != "" && words[i - 1] ~ /-[^ ]*$/ && words[i - 1] !~ /\]$/) {
			if (word ~ /^[a-z.]+(\|[a-z.]+)+$/)
				choices[program, option] = word
			option = ""
		} else if (!(scope in operand)) {
			operand[scope] = word
		}
	}
}

/^@ / {
	program = $2
	programs[++count] = program
	usage = 0
	next
}
/^usage: / {
	usage = 1
	sub(/^usage: /, "")
	$0 = "       " $0
}
usage && /^       / {
	sub(/^ +/, "")
	if ($1 == program) {
		sub(/^[^ ]+ ?/, "")
		scope = program
		lines[program]++
		if ($1 ~ /^[a-z]+(\|[a-z]+)*$/) {
			scope = program " " $1
			verbs[program] = verbs[program] " " $1
			sub(/^[^ ]+ ?/, "")
		}
	}
	text[scope] = text[scope] " " $0
	next
}
{ usage = 0 }
/^[ \t]+-/ {
	sub(/^[ \t]+/, "")
	option = $1
	rest = substr($0, length(option) + 1)
	value = ""
	if (rest ~ /^ [^ \t]/) {
		value = $2
		rest = substr(rest, length(value) + 2)
	}
	sub(/^[ \t]+/, "", rest)
	if (!((program, option) in help)) {
		described[program, ++number[program]] = option
		help[program, option] = rest
		values[program, option] = value
	}
	help[scope, option] = rest	# as this subcommand means it
}

function finish(    i, p, n, j, k, m, names, same, scope) {
	for (i = 1; i <= count; i++) {
		p = program = programs[i]
		n = split(verbs[p], names, " ")
		if (n < 2 && verbs[p] !~ /\|/) {	# an operand, not a subcommand
			if (n == 1)
				text[p] = text[p] " " names[1] text[p " " names[1]]
			verbs[p] = ""
			n = 0
		}
		verbs[p] = ""
		for (j = 1; j <= n; j++) {
			m = split(names[j], same, "|")
			for (k = 1; k <= m; k++) {
				scope = p " " same[k]
				if (!(scope in seen)) {
					seen[scope] = 1
					verbs[p] = verbs[p] (verbs[p] == "" ? "" : " ") same[k]
				}
				read_usage(scope, text[p " " names[j]])
				add_option(scope, "-h")
			}
		}
		read_usage(p, text[p])
		# What is described belongs to the command as a whole, if no usage has it.
		for (j = 1; j <= number[p]; j++)
			add_option(p, described[p, j])
		add_option(p, "-h")
		add_option(p, "-V")
		help[p, "-h"] = "how to use it"
		help[p, "-V"] = "version"
	}
}

# What kind of word ${name} is: its choices, or one of file, dir, id, key, nothing.
function kind(p, option, name) {
	if ((p, option) in choices)
		name = choices[p, option]
	if (name ~ /^[a-z.]+(\|[a-z.]+)+$/) {
		gsub(/\|/, " ", name)
		return name
	}
	if (name ~ /file$|^result$/)
		return "@file"
	if (name ~ /^(dir|root|res|path)/)
		return "@dir"
	if (name == "id" || name == "command" || name == "key" && p == "awcp-config")
		return "@" name
	return "@none"
}

function bash(    i, j, n, p, names, v) {
	print "# bash completion of awcp; made from what the commands print with -h"
	print "_awcp_verbs()\n{\n\tcase $1 in"
	for (i = 1; i <= count; i++)
		if (verbs[programs[i]] != "")
			printf "\t%s) echo '%s' ;;\n", programs[i], verbs[programs[i]]
	print "\tesac\n}\n\n_awcp_options()\n{\n\tcase $1 in"
	for (scope in options)
		printf "\t'%s') echo '%s' ;;\n", scope, options[scope] | "sort"
	close("sort")
	print "\tesac\n}\n\n_awcp_value()\n{\n\tcase $1 in"
	for (i = 1; i <= count; i++) {
		p = programs[i]
		for (j = 1; j <= number[p]; j++)
			if ((v = values[p, described[p, j]]) != "")
				printf "\t'%s %s') echo '%s' ;;\n", p, described[p, j], kind(p, described[p, j], v)
	}
	print "\tesac\n}\n\n_awcp_operand()\n{\n\tcase $1 in"
	for (scope in operand) {
		split(scope, names, " ")
		printf "\t'%s') echo '%s' ;;\n", scope, kind(names[1], "", operand[scope]) | "sort"
	}
	close("sort")
	print "\tesac\n}\n"
	while ((getline line < (system_dir "/completion.bash")) > 0)
		print line
	printf "complete -F _awcp awcp"
	for (i = 1; i <= count; i++)
		printf " %s", programs[i]
	print ""
}

# One word for _arguments.
function spec(p, scope, option,    text, value, k) {
	text = (scope, option) in help ? help[scope, option] : help[p, option]
	gsub(/[\]\[:\\]/, "\\\\&", text)
	gsub(/'/, "'\\''", text)
	value = ""
	if (values[p, option] != "") {
		k = kind(p, option, values[p, option])
		gsub(/[:|]/, "-", values[p, option])
		value = ":" values[p, option] ":" action(k)
	}
	return "'*" option "[" text "]" value "'"
}

function action(k) {
	return k == "@file" ? "_files" : k == "@dir" ? "_files -/" : k == "@id" ? "_awcp_ids" : \
		k == "@key" ? "_awcp_keys" : k == "@command" ? "_command_names -e" : k == "@none" ? " " : "(" k ")"
}

function arguments(p, scope, indent,    n, i, names) {
	printf "%s_arguments -s", indent
	n = split(options[scope], names, " ")
	for (i = 1; i <= n; i++)
		printf " \\\n%s\t%s", indent, spec(p, scope, names[i])
	if (scope in operand)
		printf " \\\n%s\t'*:%s:%s'", indent, operand[scope], action(kind(p, "", operand[scope]))
	print ""
}

function zsh(    i, j, n, p, names, line) {
	printf "#compdef awcp"
	for (i = 1; i <= count; i++)
		printf " %s", programs[i]
	print "\n# zsh completion of awcp; made from what the commands print with -h\n"
	for (i = 1; i <= count; i++) {
		p = programs[i]
		printf "_%s()\n{\n", p
		if (verbs[p] == "") {
			arguments(p, p, "\t")
		} else {
			n = split(verbs[p], names, " ")
			printf "\tif (( CURRENT == 2 )); then\n\t\tcompadd -- %s\n", verbs[p]
			print "\t\treturn\n\tfi\n\twords=(\"${(@)words[2,-1]}\")\n\t(( CURRENT-- ))\n\tcase $words[1] in"
			for (j = 1; j <= n; j++) {
				printf "\t%s)\n", names[j]
				arguments(p, p " " names[j], "\t\t")
				print "\t\t;;"
			}
			print "\tesac"
		}
		print "}\n"
	}
	while ((getline line < (system_dir "/completion.zsh")) > 0)
		print line
}

END {
	finish()
	if (shell == "bash")
		bash()
	else
		zsh()
}
