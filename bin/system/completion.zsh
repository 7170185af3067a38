_awcp_ids()
{
	compadd -- ${(f)"$(awcp-list -a 2>/dev/null | head -n 500 | cut -d ' ' -f 1)"}
}

_awcp_keys()
{
	compadd -- ${(f)"$(awcp-config 2>/dev/null | cut -d ' ' -f 1)"}
}

if [[ $service == awcp ]]; then
	if (( CURRENT == 2 )); then
		compadd -- help ${${(k)commands[(I)awcp-*]}#awcp-}
		return
	fi
	service=awcp-$words[2]
	words=("$service" "${(@)words[3,-1]}")
	(( CURRENT-- ))
fi
(( $+functions[_$service] )) && _$service
