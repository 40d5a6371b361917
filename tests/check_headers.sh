#!/bin/sh
# check_headers.sh CC INCLUDE: each public header compiles by itself, as C11 and, where there is a compiler for it, as C++17.
set -eu
cc=$1 include=$2
for header in "$include"/gpumem/*.h; do
  name=gpumem/$(basename "$header")
  echo "#include <$name>" | "$cc" -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Werror -fsyntax-only -I"$include" -x c -
  echo "$name: C11"
  for cxx in c++ g++ clang++; do
    if command -v "$cxx" >/dev/null; then
      echo "#include <$name>" | "$cxx" -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$include" -x c++ -
      echo "$name: C++17 ($cxx)"
    fi
  done
done
