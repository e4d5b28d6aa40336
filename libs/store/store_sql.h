#pragma once
/* The SQL of the SQLite backend, as text. A collection is a table with a column for each field,
 * and a side table "collection.field" (value, id) for each STRINGS field, whose own column holds
 * the values as JSON for reading back. Everything that varies is a parameter; names come from
 * collections.def only. */

#include "common/buf.h"
#include "store/store_internal.h"

enum { SQL_SIZE_MAX = 64 * 1024 }; /* of one statement */

/* Numbers of parameters in statements on one record. */
enum { SQL_ID = 1, SQL_VERSION, SQL_BODY, SQL_FIRST_FIELD };

/* Columns of what sql_get and sql_find select; fields lie between version and body. */
enum { COLUMN_ID, COLUMN_VERSION, COLUMN_FIRST_FIELD };

void sql_create_table(const struct schema *schema, struct buf *buf);
void sql_add_column(const struct schema *schema, int field, struct buf *buf);
void sql_create_side_table(const struct schema *schema, int field, struct buf *buf);
bool sql_create_index(const struct schema *schema, const struct index *index,
        struct buf *buf); /* false: none is needed */

void sql_get(const struct schema *schema, struct buf *buf);
void sql_state(
        const struct schema *schema, struct buf *buf); /* version and fields, without id and body */
void sql_insert(const struct schema *schema, struct buf *buf);
void sql_update(const struct schema *schema, uint32_t changed,
        struct buf *buf); /* bit i: field i is written */
void sql_delete(const struct schema *schema, struct buf *buf);
void sql_side_insert(const struct schema *schema, int field, struct buf *buf); /* ?1 value, ?2 id */
void sql_side_delete(const struct schema *schema, int field, struct buf *buf);

/* Parameters, in order: the conditions' values, an OP_IN with sql_in_size() of them; what the
 * segment needs (after_value, after_id); the limit. */
void sql_find(const struct schema *schema, const struct find *find, enum segment segment,
        struct buf *buf);
void sql_count(const struct schema *schema, const struct find *find, struct buf *buf);

/* Places of an OP_IN: the next power of two, so that there are few different statements; the
 * last value fills up. */
size_t sql_in_size(size_t value_count);
