#!/bin/sh
# check_symbols.sh LIST LIBRARY PLUGINS: the library exports the symbols of LIST and no others, each plugin only gpumem_entry.
set -eu
list=$1 library=$2 plugins=$3
exported() { # what a sanitizer adds is not ours
  nm -D --defined-only "$1" | awk '$2 != "w" {print $3}' | sed 's/@.*//' | grep -Ev '^(__(odr_)?asan|__ubsan|__sancov|_init$|_fini$)' | LC_ALL=C sort
}
bad=0
if ! exported "$library" | diff "$list" - >&2; then
  echo "$library does not export what $list says (< said, > exported)" >&2
  bad=1
fi
n=0
for file in "$plugins"/*/*/*.so; do
  n=$((n + 1))
  found=$(exported "$file")
  if [ "$found" != gpumem_entry ]; then
    echo "$file exports: $found" >&2
    bad=1
  fi
done
echo "$(wc -l <"$list") functions, $n plugins"
[ $n -gt 0 ] && exit $bad
