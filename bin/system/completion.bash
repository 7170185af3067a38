# The words for what is being typed, of kind $1: choices, or @ and what to look up.
_awcp_offer()
{
	local word=${COMP_WORDS[COMP_CWORD]}

	case $1 in
	@file) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	@dir) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
	@id) mapfile -t COMPREPLY < <(compgen -W "$(awcp-list -a 2>/dev/null | head -n 500 | cut -d ' ' -f 1)" -- "$word") ;;
	@key) mapfile -t COMPREPLY < <(compgen -W "$(awcp-config 2>/dev/null | cut -d ' ' -f 1)" -- "$word") ;;
	@command) mapfile -t COMPREPLY < <(compgen -c -- "$word") ;;
	@*) ;;
	*) mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word") ;;
	esac
}

_awcp()
{
	local command=${1##*/} word=${COMP_WORDS[COMP_CWORD]} scope value i

	COMPREPLY=()
	i=1
	if [ "$command" = awcp ] && [ "$COMP_CWORD" -gt 1 ]; then
		command=awcp-${COMP_WORDS[1]}
		i=2
	elif [ "$command" = awcp ]; then
		_awcp_offer "help $(compgen -c -- awcp- | sed 's/^awcp-//' | sort -u)"
		return
	fi
	scope=$command
	if [ -n "$(_awcp_verbs "$command")" ]; then
		if [ "$COMP_CWORD" -eq "$i" ]; then
			_awcp_offer "$(_awcp_verbs "$command")"
			return
		fi
		scope="$command ${COMP_WORDS[i]}"
	fi
	value=$(_awcp_value "$command ${COMP_WORDS[COMP_CWORD - 1]}")
	if [ -n "$value" ]; then
		_awcp_offer "$value"
	elif [ "${word:0:1}" = - ]; then
		_awcp_offer "$(_awcp_options "$scope")"
	else
		_awcp_offer "$(_awcp_operand "$scope")"
	fi
}
