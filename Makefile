# SPDX-License-Identifier: Apache-2.0
# A thin front: meson builds (see meson.build), tools/run-tests tests.

BUILD := build
ASAN := $(BUILD)/asan
FUZZ := $(BUILD)/fuzz
FUZZ_SECONDS := 60
SECTION :=
DESTDIR ?=
WERROR := $(if $(filter true,$(CI)),-Dwerror=true)
PROGRAMS := src/agent/vtap-agent src/cli/vtap src/controller/vtapd

# Debian's own tools come first: what stands in front of them may be a python3 of another version.
export PATH := /usr/sbin:/usr/bin:/sbin:/bin:$(PATH)

.PHONY: all deps test-deps asan demo play test bench fuzz install check-style clean

all: deps $(BUILD)/build.ninja
	ninja -C $(BUILD)
	mkdir -p $(BUILD)/bin
	for program in $(PROGRAMS); do ln -sf ../$$program $(BUILD)/bin/; done

deps:
	tools/install-deps --runtime --build

test-deps:
	tools/install-deps

$(BUILD)/build.ninja:
	meson setup $(BUILD) $(WERROR)

$(ASAN)/build.ninja:
	meson setup $(ASAN) -Db_sanitize=address,undefined -Db_lundef=false $(WERROR)

$(FUZZ)/build.ninja:
	CC=clang meson setup $(FUZZ) -Db_sanitize=address,undefined -Db_lundef=false

asan: deps $(ASAN)/build.ninja
	ninja -C $(ASAN)

demo: test-deps all
	tools/demo

# The demo's VPC, which stays up to try things in.
play: test-deps all
	tools/demo --play

test: test-deps all asan
	tools/run-tests $(BUILD) $(ASAN)

bench: test-deps all
	test/bench/run $(if $(SECTION),--section $(SECTION))

fuzz: test-deps $(FUZZ)/build.ninja
	ninja -C $(FUZZ)
	tools/run-fuzz $(FUZZ) $(FUZZ_SECONDS)

install: all
	DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild

check-style: test-deps
	tools/check-style

# The fetched kernel stays: it is no product of this tree.
clean:
	[ ! -d $(BUILD) ] || find $(BUILD) -mindepth 1 -maxdepth 1 ! -name vm -exec rm -rf {} +
