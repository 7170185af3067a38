# settings.awk - makes the example of a configuration file from awcp.conf(5): every setting as a
# comment, with its default.
BEGIN { print "# Settings of awcp; awcp.conf(5) says more, awcp-config(1) what is in force." }
/^\.It Cm [a-z-]+ = Ar / {
	setting = "#" $3 " =" (NF > 6 ? " " $8 : "")
	getline
	print "\n# " $0 "\n" setting
}
