#pragma once
/* An intrusive, doubly linked list. */

#include "common/macros.h"

struct list {
    struct list *prev, *next;
};

static inline void list_init(struct list *head) {
    head->prev = head->next = head;
}

static inline bool list_is_empty(const struct list *head) {
    return head->next == head;
}

/* Appends `item` to the end of the list. */
static inline void list_append(struct list *head, struct list *item) {
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}

static inline void list_remove(struct list *item) {
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

/* list_entry(item, struct x, member): the struct that holds `item`. */
#define list_entry(item, type, member) ((type *)(void *)((char *)(item) - offsetof(type, member)))

/* The body may remove `it`. */
#define list_foreach(it, head)                                                                     \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                      \
            it = it##_next, it##_next = it->next)
