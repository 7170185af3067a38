/*
 * browser - keeps web pages out where nobody is asked for a token.
 *
 * Any page may have a browser send requests to an address that only this machine reaches.  What
 * gives it away is what a page cannot choose: the name that its own address has (Host, also when
 * that name was made to point here meanwhile), Origin and Sec-Fetch-Site; and a page may send a
 * body of a type other than those of forms only after it was allowed to, which it never is.
 */
#ifndef HTTP_BROWSER_H
#define HTTP_BROWSER_H

#include "http/http.h"

/* May ${h} be answered without a token?  ERR_DECLINED if a page sends it, or if it was sent to a
 * name that is neither an address of ours nor in AWCP_HOSTS; ERR_BAD_MESSAGE if its body is not
 * said to be JSON. */
int browser_check(const struct http *h, struct err *e);

#endif
