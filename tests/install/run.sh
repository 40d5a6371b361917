#!/bin/sh
# run.sh CMAKE BUILD SOURCE: the installed package, moved to another place, works there without the build tree, without network and
# without an environment; programs and plugins are built against it; and what is put into a user's directory is used without rebuilding anything.
# The plugins are the examples of the documents; the numbers expected of them are computed in the comments.
set -eu
cmake=$1 build=$2 source=$3
work=$(cd "$(mktemp -d)" && pwd -P)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
umask 022
prefix=$work/here examples=$source/docs/examples checks=0

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# is WHAT HAVE WANTED
is() {
    [ "$2" = "$3" ] || fail "$1: '$2', expected '$3'"
    checks=$((checks + 1))
}

# Without network where that can be had, and with nothing in the environment but the last arguments.
alone() {
    if unshare -rn true 2>/dev/null; then
        unshare -rn env -i HF_HUB_OFFLINE=1 "$@" </dev/null
    else
        env -i HF_HUB_OFFLINE=1 "$@" </dev/null
    fi
}

# number KEY: its first value in the JSON on standard input
number() {
    grep -o "\"$1\": *[0-9]*" | head -n 1 | grep -o '[0-9]*$'
}

# ---- installed, then moved -------------------------------------------------------------------------------------------------
"$cmake" --install "$build" --prefix "$work/there" --strip >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
mkdir -p "$work/a path/with spaces"
mv "$work/there" "$work/a path/with spaces/prefix"
ln -s "$work/a path/with spaces/prefix" "$prefix" # for the compilers' sake; the program is run by its real path
bin="$work/a path/with spaces/prefix/bin"

is "parameters of phi-2" "$(alone "$bin/gpumem" microsoft/phi-2 --json | number parameters)" 2779683840
is "the classic form" "$(alone "$bin/gpu_memory_calculator" --model microsoft/phi-2 --batch-size 4 --seq-length 2048 | tail -n 6 | head -n 1)" \
    "Total (GB)                    :      32.24 GB"
is "by way of a link" "$(ln -s "$bin/gpumem" "$work/link" && alone "$work/link" phi-2 --json | number parameters)" 2779683840
is "found in PATH" "$(alone PATH="$bin:/usr/bin:/bin" gpumem phi-2 --json | number parameters)" 2779683840
alone "$bin/gpumem" plugin list >"$work/list" || fail "plugin list"
! grep -qi refused "$work/list" || fail "a plugin of the package is refused: $(grep -i refused "$work/list")"
for file in share/man/man1/gpumem.1 share/man/man1/gpu_memory_calculator.1 include/gpumem/gpumem.h include/gpumem/plugin.h; do
    [ -s "$prefix/$file" ] || fail "$file is not installed"
done
! grep -rqF "$work/there" "$prefix" || fail "the package knows where it was: $(grep -rlF "$work/there" "$prefix")"
! grep -qF "$build" "$bin/gpumem" || fail "the program knows where it was built"

# ---- programs that use the library ---------------------------------------------------------------------------------------------
# phi-2 in bf16 with AdamW's fused step: 2 bytes a parameter and twice 2 of state; a step of 512 bytes for each of 453 tensors; two
# buffers of 512; 4 * 2048 tokens of 8 bytes.
between=$((6 * 2779683840 + 453 * 512 + 2 * 512 + 4 * 2048 * 8))
says="2779683840 parameters, $between bytes between steps"

mkdir "$work/client"
cp "$examples/library/between_steps.c" "$work/client/"
cat >"$work/client/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(client LANGUAGES C)
find_package(gpumem 0.1 REQUIRED)
foreach(kind shared static)
  add_executable(with_${kind} between_steps.c)
  target_link_libraries(with_${kind} PRIVATE gpumem::${kind})
endforeach()
file(WRITE ${CMAKE_BINARY_DIR}/plugin_dir "${gpumem_PLUGIN_DIR}")
END
"$cmake" -S "$work/client" -B "$work/client/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_FLAGS="-Wall -Wextra -Werror" >"$work/log" 2>&1 &&
    "$cmake" --build "$work/client/build" >>"$work/log" 2>&1 || { cat "$work/log"; fail "find_package"; }
plugins=$(cat "$work/client/build/plugin_dir")
[ -d "$plugins/optimizer/adamw" ] || fail "gpumem_PLUGIN_DIR is $plugins"
is "the shared library, by CMake" "$(alone "$work/client/build/with_shared" phi-2)" "$says"
# What is linked statically looks beside the program; elsewhere it is told.
is "the static library, by CMake" "$(alone GPUMEM_PLUGIN_PATH="$plugins:$prefix/share/gpumem" "$work/client/build/with_static" phi-2)" "$says"
cp "$work/client/build/with_static" "$prefix/bin/"
is "the static library, beside the plugins" "$(alone "$prefix/bin/with_static" phi-2)" "$says"
is "an unknown model" "$(alone "$work/client/build/with_shared" phi-22 2>/dev/null || echo "exit code $?")" "exit code 3"

PKG_CONFIG_PATH=$(dirname "$(find "$prefix/" -name gpumem.pc)")
export PKG_CONFIG_PATH
cc=${CC:-cc}
pkg-config --exists 'gpumem >= 0.1' || fail "pkg-config does not find gpumem"
# shellcheck disable=SC2046
$cc -std=c11 -Wall -Wextra -Werror -o "$work/by_pkg" "$work/client/between_steps.c" $(pkg-config --cflags --libs gpumem)
is "the shared library, by pkg-config" "$(alone LD_LIBRARY_PATH="$(pkg-config --variable=libdir gpumem)" "$work/by_pkg" phi-2)" "$says"
# shellcheck disable=SC2046
$cc -std=c11 -o "$work/by_pkg_static" "$work/client/between_steps.c" $(pkg-config --cflags gpumem) "$(pkg-config --variable=libdir gpumem)/libgpumem.a" \
    $(pkg-config --libs --static gpumem | tr ' ' '\n' | grep -v -e '-lgpumem')
is "the static library, by pkg-config" "$(alone GPUMEM_PLUGIN_PATH="$(pkg-config --variable=plugindir gpumem):$prefix/share/gpumem" "$work/by_pkg_static" phi-2)" "$says"

# ---- a component library, out of tree ----------------------------------------------------------------------------------------------
# oak: a vocabulary of 32000 x 2048, tied; 24 layers of q and o (2048 x 2048), k and v (512 x 2048), two norms, and two matrices of rank 512
# between 2048 and 5632; a norm.
oak=$((32000 * 2048 + 24 * (2 * 2048 * 2048 + 2 * 512 * 2048 + 2 * 2048 + 2 * 512 * (2048 + 5632)) + 2048))
"$cmake" -S "$examples/component" -B "$work/oak" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_FLAGS="-Wall -Wextra -Werror" >"$work/log" 2>&1 &&
    "$cmake" --build "$work/oak" >>"$work/log" 2>&1 || { cat "$work/log"; fail "the component"; }
is "a component of one's own" "$(alone "$bin/gpumem" oak-0.5b --plugin-dir "$work/oak/plugins" --json | number parameters)" "$oak"
is "by GPUMEM_PLUGIN_PATH" "$(alone GPUMEM_PLUGIN_PATH="$work/oak/plugins" "$bin/gpumem" oak-0.5b --json | number parameters)" "$oak"
is "from the build tree's program" "$(alone "$build/bin/gpumem" oak-0.5b --plugin-dir "$work/oak/plugins" --json | number parameters)" "$oak"
mkdir -p "$work/home"
HOME="$work/home" "$cmake" -S "$examples/component" -B "$work/oak2" -DCMAKE_PREFIX_PATH="$prefix" >"$work/log" 2>&1 && "$cmake" --build "$work/oak2" >>"$work/log" 2>&1 &&
    "$cmake" --install "$work/oak2" >>"$work/log" 2>&1 || { cat "$work/log"; fail "installing the component"; }
is "in the user's directory" "$(alone HOME="$work/home" "$bin/gpumem" oak-0.5b --json | number parameters)" "$oak"
is "not without it" "$(alone "$bin/gpumem" oak-0.5b --json 2>/dev/null || echo "exit code $?")" "exit code 6"
mkdir -p "$work/xdg/gpumem"
cp -R "$work/oak/plugins/." "$work/xdg/gpumem/"
is "in XDG_DATA_HOME" "$(alone XDG_DATA_HOME="$work/xdg" "$bin/gpumem" oak-0.5b --json | number parameters)" "$oak"

# ---- manifests, dropped into a directory ----------------------------------------------------------------------------------------------
# acorn: like oak, but with 16 layers of a gated MLP (2048, 5632) and four norms.
acorn=$((32000 * 2048 + 16 * (2 * 2048 * 2048 + 2 * 512 * 2048 + 4 * 2048 + 3 * 2048 * 5632) + 2048))
is "a family" "$(alone "$bin/gpumem" acorn-0.8b --plugin-dir "$examples/plugins" --json | number parameters)" "$acorn"
# adamw-ema on phi-2: three states in fp32 (whose sizes are multiples of 512), and the step of each tensor
mkdir -p "$work/mine/optimizer"
before=$(find "$prefix/" "$build/lib" -newer "$work/link" -name '*.so*' | wc -l)
cp -R "$examples/plugins/optimizer/adamw-ema" "$work/mine/optimizer/"
is "an optimizer" "$(alone "$bin/gpumem" phi-2 --plugin-dir "$work/mine" --optimizer adamw-ema --json | grep -o '"id": *"optimizer", *"bytes": *[0-9]*' | head -n 1 | grep -o '[0-9]*$')" \
    $((12 * 2779683840 + 453 * 512))
is "nothing was rebuilt" "$(find "$prefix/" "$build/lib" -newer "$work/link" -name '*.so*' | wc -l)" "$before"
# w8-g128 on phi-2: a byte an element, and 4 bytes for each group of 128 neighbours (all rows are multiples of it)
is "a precision" "$(alone "$bin/gpumem" infer phi-2 --plugin-dir "$examples/plugins" --precision w8-g128 --json | grep -o '"id": *"weights", *"bytes": *[0-9]*' | head -n 1 | grep -o '[0-9]*$')" \
    "$(awk 'function up(n) { return int((n + 511) / 512) * 512 }
            function matrix(r, c) { return up(r * c) + up(r * c / 128 * 4) }
            BEGIN { h = 2560; i = 10240; v = 51200
                layer = 2 * matrix(1, h) + 4 * (matrix(h, h) + matrix(1, h)) + matrix(i, h) + matrix(1, i) + matrix(h, i) + matrix(1, h)
                printf "%.0f", 2 * matrix(v, h) + matrix(1, v) + 2 * matrix(1, h) + 32 * layer }')"
echo "$checks checks"
