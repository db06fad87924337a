# Thin: each target calls a script of util/.  NGINX_SRC=DIR builds against that
# nginx source tree.

# build/module/ngx_k8s_ingress_module.so for the nginx that is installed here
module:
	util/build module

# build/release: an nginx of its own beside it, for tests
build:
	util/build release

static debug asan clang:
	util/build $@

demo:
	util/demo

test:
	util/test

install:
	util/install

bench:
	bench/run

docs:
	util/docs

style:
	util/style

clean:
	rm -rf build

.PHONY: module build static debug asan clang demo test install bench docs style \
	clean
