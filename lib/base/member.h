/*
 * member - the members of a JSON record, each named once.
 *
 * A record's header lists its members, one line each:
 *
 *	MEMBER_TEXT(delegation, state, "state", "")
 *	MEMBER_INTEGER(delegation, ttl, "leaseConfig.ttlSeconds", 0)
 *
 * That line alone knows the path, the type and what holds where the member is missing.  The code
 * reads delegation_ttl(o) and writes delegation_set_ttl(o, 60), so that a misspelt member does not
 * compile.  Only the member that is set changes: what a newer version or a peer added stays.
 *
 * delegation_ttl_path() is the path itself, for functions that check what a peer sent, and name it.
 *
 * Text and JSON that are read are borrowed from the record, and gone when the member is set.
 * Setters return -1 only when memory is out; objects on the way of a path are made.
 */
#ifndef BASE_MEMBER_H
#define BASE_MEMBER_H

#include "base/jsonx.h"

/* What a member of any type has. */
#define MEMBER_ANY(record, name, path)                         \
	static inline const char *record##_##name##_path(void) \
	{                                                      \
		return path;                                   \
	}                                                      \
	static inline void record##_drop_##name(json_t *o)     \
	{                                                      \
		jsonx_drop(o, path);                           \
	}

/* A string; ${fallback} may be NULL.  Setting NULL removes it. */
#define MEMBER_TEXT(record, name, path, fallback)                       \
	MEMBER_ANY(record, name, path)                                  \
	static inline const char *record##_##name(const json_t *o)      \
	{                                                               \
		return jsonx_text(o, path, fallback);                   \
	}                                                               \
	static inline int record##_set_##name(json_t *o, const char *s) \
	{                                                               \
		if (s != NULL)                                          \
			return jsonx_put(o, path, jsonx_new_text(s));   \
		jsonx_drop(o, path);                                    \
		return 0;                                               \
	}

/* A whole number. */
#define MEMBER_INTEGER(record, name, path, fallback)                \
	MEMBER_ANY(record, name, path)                              \
	static inline int64_t record##_##name(const json_t *o)      \
	{                                                           \
		return jsonx_number(o, path, fallback);             \
	}                                                           \
	static inline int record##_set_##name(json_t *o, int64_t n) \
	{                                                           \
		return jsonx_put(o, path, json_integer(n));         \
	}

/* true, or false, which is also what a missing one means. */
#define MEMBER_BOOL(record, name, path)                          \
	MEMBER_ANY(record, name, path)                           \
	static inline bool record##_##name(const json_t *o)      \
	{                                                        \
		return json_is_true(jsonx_at(o, path));          \
	}                                                        \
	static inline int record##_set_##name(json_t *o, bool b) \
	{                                                        \
		return jsonx_put(o, path, json_boolean(b));      \
	}

/* Any JSON, NULL if it is missing.  The setter takes over the reference to ${v}, also when it
 * fails; json_null() is a value, and NULL a failure of whoever made it. */
#define MEMBER_JSON(record, name, path)                             \
	MEMBER_ANY(record, name, path)                              \
	static inline json_t *record##_##name(const json_t *o)      \
	{                                                           \
		return jsonx_at(o, path);                           \
	}                                                           \
	static inline int record##_set_##name(json_t *o, json_t *v) \
	{                                                           \
		return jsonx_put(o, path, v);                       \
	}

#endif
