# make                      every service, and penstock (the CLI and the all-in-one)
# make demo                 installs what is missing, builds, runs the order workflow on real input
# make demo STACK=real      the same on five services, a real Kafka and a real MongoDB
# make check                installs what is missing, builds, runs every test
# make quick                every test that needs no network and no other program
# make bench                measures; no figure is a test
# make SANITIZE=address,undefined quick    the same tests, instrumented, in a build folder of their own

PURE     := common core wire
ROOMS    := $(PURE) system store bus http ledger runtime calls
SERVICES := api orchestrator executor trigger integration
APPS     := allinone cli

SANITIZE ?=
comma    := ,
BUILD    := build/$(notdir $(CC))$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wwrite-strings -Wcast-qual -Wundef -Wformat=2 \
            -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror
CFLAGS   ?= -O2 -g
CFLAGS   += -std=gnu17 -D_GNU_SOURCE -I. -Ilibs $(WARNINGS) -fno-omit-frame-pointer
CFLAGS   += $(shell pkg-config --cflags libmongoc-1.0 2>/dev/null)
CFLAGS   += $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all)
LDLIBS   ?= -lrdkafka -lmongoc-1.0 -lbson-1.0 -lsqlite3 -lmicrohttpd -lcurl -lyaml -lpcre2-8 -lsodium -lcrypto -lpthread -lm

SOURCES  := $(sort $(wildcard libs/*/*.[ch] services/*/*.[ch] apps/*/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch] bench/*.[ch] examples/*/*.[ch]))
BINARIES := $(patsubst services/%/main.c,bin/penstock-%,$(wildcard services/*/main.c)) $(if $(wildcard apps/cli/main.c),bin/penstock)
TESTS    := $(patsubst %.c,$(BUILD)/%,$(filter tests/unit/%_test.c tests/contract/%_test.c tests/conformance/%_test.c,$(SOURCES)))

objects   = $(patsubst %.c,$(BUILD)/%.o,$(filter-out %/main.c,$(wildcard $1/*.c)))
reversed  = $(if $1,$(call reversed,$(wordlist 2,$(words $1),$1)) $(firstword $1))
archives  = $(patsubst %,$(BUILD)/lib%.a,$(call reversed,$(ROOMS)))

all: $(BINARIES)

# A room is a folder, and a folder is an archive. A service is a room with a main.
define room
$(BUILD)/lib$(notdir $1).a: $(call objects,$1)
endef
$(foreach r,$(ROOMS:%=libs/%) $(SERVICES:%=services/%) $(APPS:%=apps/%),$(eval $(call room,$r)))

$(BUILD)/lib%.a:
	@mkdir -p $(@D) && rm -f $@
	@$(AR) rcs $@ $^
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC  $<"
	@$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<
# Read by the assembler, so the compiler does not tell.
$(BUILD)/services/api/openapi.o: contracts/openapi.json

bin/penstock-%: $(BUILD)/services/%/main.o $(BUILD)/lib%.a $(archives)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Test programs: each *_test.c with the archives; what tests share is in tests/support.
SUPPORT := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
$(TESTS) $(BUILD)/tests/sim/sim: %: %.o $(SUPPORT) $(SERVICES:%=$(BUILD)/lib%.a) $(archives)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka -ljq -lcjson $(LDLIBS)

# What a folder of tests shares beside its programs.
others    = $(patsubst %.c,$(BUILD)/%.o,$(filter-out %_test.c,$(wildcard $1/*.c)))
$(BUILD)/tests/conformance/kit_test: $(call others,tests/conformance)
$(filter $(BUILD)/tests/unit/api/%,$(TESTS)): $(call others,tests/unit/api)
$(BUILD)/tests/sim/sim: $(patsubst %.c,$(BUILD)/%.o,$(filter-out %/sim.c,$(wildcard tests/sim/*.c)))

tests: $(TESTS) $(BUILD)/tests/sim/sim
list-tests:
	@printf '%s\n' $(TESTS)

# Who includes whom (tools/layers.txt: a folder, then the folders it may include).
layers:
	@awk 'NR == FNR { for (i = 2; i <= NF; i++) may[$$1, $$i]; next } \
	  /^#include "/ { split($$0, q, "\""); split(FILENAME, f, "/"); split(q[2], t, "/"); \
	    room = f[1] "/" f[2]; \
	    if (!((room, t[1]) in may) && !((room, t[1] "/" t[2]) in may)) { \
	      print FILENAME ":" FNR ": " room " may not include " q[2]; bad = 1 } } \
	  END { exit bad }' tools/layers.txt $(filter libs/% services/% apps/%,$(SOURCES))

# Every header compiles alone.
headers:
	@set -e; for h in $(filter %.h,$(filter libs/% services/% apps/%,$(SOURCES))); do \
	  printf '#include "%s"\nextern int end;\n' "$${h#libs/}" | $(CC) $(CFLAGS) -fsyntax-only -x c - || { echo "$$h does not stand alone"; exit 1; }; done

# What the pure rooms import from outside themselves; the list is short and reviewed.
purity: $(PURE:%=$(BUILD)/lib%.a)
	@nm -g --defined-only $^ | awk 'NF == 3 { print $$3 }' >$(BUILD)/defined
	@$(if $(SANITIZE),:,! nm -u $^ | awk 'NF == 2 { print $$2 }' | sort -u \
	  | grep -vxF -f $(BUILD)/defined -f tools/pure-symbols.txt)

# Each foreign library in its own files only, no banned calls, no scratch comments.
style:
	@tools/style

setup:
	@tools/setup

clean:
	rm -rf build/cc build/gcc build/clang build/cc-* build/gcc-* build/clang-* bin

.PHONY: all tests list-tests layers headers purity style setup clean
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# The client, and programs beside the product: the order example and the benchmarks.
EXAMPLE  := $(BUILD)/examples/order-fulfilment
EXTRAS   := bin/order-services bin/order-demo bin/order-generate bin/bench-echo bin/bench-load

bin/penstock:       $(BUILD)/apps/cli/main.o $(BUILD)/libcli.a $(BUILD)/liballinone.a $(SERVICES:%=$(BUILD)/lib%.a) $(archives)
bin/order-services: $(EXAMPLE)/services.o $(EXAMPLE)/ledger.o $(archives)
bin/order-demo:     $(EXAMPLE)/demo.o $(EXAMPLE)/orders.o $(archives)
bin/order-generate: $(EXAMPLE)/generate.o $(archives)
bin/bench-echo:     $(BUILD)/bench/echo.o
bin/bench-load:     $(BUILD)/bench/load.o
bin/penstock $(EXTRAS):
	@mkdir -p $(@D)
	@echo "  LD  $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

programs: all $(EXTRAS)

# What installs first starts make anew, so that what was installed is found.
JOBS := $(shell nproc 2>/dev/null || echo 2)
demo:
	@tools/setup $(if $(filter real,$(STACK)),stack)
	@$(MAKE) --no-print-directory -j$(JOBS) programs
	@STACK=$(or $(STACK),embedded) tools/demo
bench:
	@tools/setup stack
	@$(MAKE) --no-print-directory -j$(JOBS) programs
	@tools/bench $(BENCH)
quick check:
	@tools/setup $(if $(filter check,$@),stack,test)
	@tools/check $@
sim:
	@$(MAKE) --no-print-directory -j$(JOBS) $(BUILD)/tests/sim/sim
	@$(BUILD)/tests/sim/sim $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS))
.PHONY: programs demo bench quick check sim

# What these test is in no archive; it comes behind them, so what it needs comes behind it again.
$(BUILD)/tests/unit/cli/output_test:      $(BUILD)/apps/cli/output.o
$(BUILD)/tests/unit/examples/orders_test: $(EXAMPLE)/orders.o
$(BUILD)/tests/unit/examples/ledger_test: $(EXAMPLE)/ledger.o
$(BUILD)/tests/unit/cli/% $(BUILD)/tests/unit/examples/%: LDLIBS := $(BUILD)/libcommon.a $(LDLIBS)
