#include "core/intake.h"

#include "common/arena.h"
#include "common/limits.h"
#include "common/locate.h"
#include "common/yaml.h"

bool intake_read(struct str text, enum intake_format format, struct arena *arena, struct json *ret,
        struct err *err) {
    static const struct yaml_limits limits = {
        .size_max = LIMIT_DEFINITION,
        .depth_max = LIMIT_DEPTH_DEFINITION,
        .nodes_max = LIMIT_YAML_NODES,
    };
    static const struct json_read_options options = { .depth_max = LIMIT_DEPTH_DEFINITION };

    if (format == INTAKE_YAML) return yaml_read(text, &limits, arena, ret, err);
    if (text.size > LIMIT_DEFINITION) {
        return err_set(err, ERR_TOO_LARGE, "the text has %zu bytes; %d are allowed", text.size,
                LIMIT_DEFINITION);
    }
    return json_read(text, &options, arena, ret, NULL, err);
}

void intake_locate(struct str text, enum intake_format format, struct faults *faults) {
    struct locate_target targets[LIMIT_FAULTS];
    bool (*locate)(struct str, struct locate_target *, size_t) =
            format == INTAKE_YAML ? yaml_locate_all : json_locate;

    for (size_t i = 0; i < faults->count; i++)
        targets[i] = (struct locate_target){ .pointer = faults->items[i].pointer };
    if (!locate(text, targets, faults->count)) return;
    for (size_t i = 0; i < faults->count; i++) {
        faults->items[i].line = targets[i].position.line;
        faults->items[i].column = targets[i].position.column;
    }
}
