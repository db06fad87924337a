# Thin: each target calls a script of util/.
# NGINX_SRC=DIR builds against another nginx source tree.

all: build

build:
	util/build release

static debug asan clang:
	util/build $@

demo:
	util/demo

test:
	util/test

install: build
	util/install

bench:
	bench/run

docs:
	util/docs

style:
	util/style

clean:
	rm -rf build

.PHONY: all build static debug asan clang demo test install bench docs style \
	clean
