# site.sed - makes a site for the system's nginx of the template that awcp-serve uses: the server
# alone, with the socket of awcp-executor.socket.
1i\
# A site for nginx: put it into sites-enabled, with your name and certificate, and let the account of\
# nginx reach the socket (its group is @WEB_GROUP@).  What it speaks to: systemctl enable --now\
# awcp-executor.socket
1,/^http {/d
/^@DELEGATOR@/d
/^@QUEUE@/d
s/^@TOKEN@//
/^\tlimit_/b kept
/^\tmap /,/^\t}/b kept
/^\tserver {/,/^\t}/!d
:kept
s/^\t//
s/listen @LISTEN@;/listen 127.0.0.1:10200; # or: listen 443 ssl; ssl_certificate ...; ssl_certificate_key ...;/
s|unix:@SOCKET@|unix:/run/awcp/executor.sock|
