#!/bin/sh
# run.sh CMAKE BUILD SOURCE: do the documents tell the truth?
#
# Fenced blocks of README.md and docs/*.md are checked by the words behind their opening fence:
#   console            lines "$ COMMAND" are run beside a copy of docs/examples, with the installed program; what follows is what they print.
#                      A line "..." stands for any lines, " ..." at the end of a line for the rest of it.
#   console library    the same, for what links the library: left out where that is built with sanitizers
#   LANGUAGE FILE      the block is that file
# The documents say /usr/local for the place where this test installs to.
#
# UPDATE=1 run.sh ... writes what the commands print into the documents, but for blocks with "...".
set -u
cmake=$1 build=$2 source=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(cd "$(mktemp -d)" && pwd -P)
prefix=$(mktemp -d /tmp/XXXXX) || prefix=$work/prefix # as long as /usr/local: lines break at the same places
trap 'rm -rf "$work" "$prefix"' EXIT
trap 'exit 1' INT TERM
umask 022

mkdir -p "$work/here/docs" "$work/home" "$work/blocks"
cp -R "$source/docs/examples" "$work/here/docs/"
ln -s "$source/tests" "$work/here/tests"
"$cmake" --install "$build" --prefix "$prefix" > "$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }

# Prints what COMMAND prints, as the documents show it.
run_command() {
    command=$(printf '%s\n' "$1" | sed "s#/usr/local#$prefix#g")
    (cd "$work/here" && env -i HOME="$work/home" HF_HUB_OFFLINE=1 LC_ALL=C.UTF-8 PATH="$prefix/bin:$PATH" sh -c "$command" < /dev/null 2>&1) |
        sed "s#$prefix#/usr/local#g; s#$work/here/##g; s#$work/home#/home/you#g; s/[ \t]*\$//"
}

# check_console BLOCK: runs its commands; what the block should say goes to BLOCK.is
check_console() {
    : > "$1.is"
    awk -v base="$1" '
        /^\$ / { n++; file = base ".command" n; printf "%s\n", substr($0, 3) > file; more = /\\$/; next }
        more { printf "%s\n", $0 > file; more = /\\$/; next }
        n { printf "%s\n", $0 > (base ".expected" n) }
        END { print n + 0 }' "$1" > "$1.n"
    n=$(cat "$1.n") i=1 wrong=0
    [ "$n" -gt 0 ] || { echo "no command in the block"; return 1; }
    while [ "$i" -le "$n" ]; do
        touch "$1.expected$i"
        run_command "$(cat "$1.command$i")" > "$1.actual$i"
        { sed '1s/^/$ /' "$1.command$i"; cat "$1.actual$i"; } >> "$1.is"
        if ! awk -f "$here/match.awk" "$1.expected$i" "$1.actual$i" > "$1.why"; then
            echo "\$ $(cat "$1.command$i")"
            cat "$1.why"
            diff "$1.expected$i" "$1.actual$i" | head -n 60
            wrong=1
        fi
        i=$((i + 1))
    done
    return $wrong
}

failed=0 blocks=0
for document in "$source/README.md" "$source"/docs/*.md; do
    name=$(basename "$document" .md)
    : > "$work/updates"
    # one file a block; its first word says what to do, the number where it starts
    awk -v base="$work/blocks/$name" '
        /^```/ && !inside { inside = 1; words = substr($0, 4); n = NR; file = base "." n; printf "" > file; print n "\t" words; next }
        /^```/ { inside = 0; close(file); next }
        inside { print > file }' "$document" > "$work/blocks/$name.list"
    while read -r line words; do
        block=$work/blocks/$name.$line
        case $words in
        'console library') [ "${GPUMEM_SANITIZED:-0}" = 0 ] || continue; check_console "$block" > "$block.log" ;;
        console) check_console "$block" > "$block.log" ;;
        *' docs/'*) diff "$block" "$source/${words#* }" > "$block.log" 2>&1 ;;
        *) continue ;;
        esac
        if [ $? -ne 0 ]; then
            failed=$((failed + 1))
            echo "$document:$line:"
            sed 's/^/    /' "$block.log"
            if [ -f "$block.is" ] && ! grep -Eq '^\.\.\.$| \.\.\.$' "$block"; then
                echo "$line $block.is" >> "$work/updates"
            fi
        fi
        blocks=$((blocks + 1))
    done < "$work/blocks/$name.list"
    if [ "${UPDATE:-0}" = 1 ] && [ -s "$work/updates" ]; then
        awk -v updates="$work/updates" '
            BEGIN { while ((getline row < updates) > 0) { split(row, part, " "); is[part[1]] = part[2] } }
            skip && /^```/ { skip = 0 }
            !skip { print }
            FNR in is { while ((getline row < is[FNR]) > 0) print row; skip = 1 }' "$document" > "$work/updated" &&
            cp "$work/updated" "$document"
    fi
done

# Links between the documents: the file, and the heading behind "#" as its anchor.
anchors() {
    sed -n '/^```/,/^```/d; s/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}
for document in "$source/README.md" "$source"/docs/*.md; do
    for link in $(sed '/^```/,/^```/d' "$document" | grep -o '](\([^)]*\))' | sed 's/^](//; s/)$//'); do
        case $link in
        *://*) continue ;;
        '#'*) target=$document ;;
        *) target=$(dirname "$document")/${link%%#*} ;;
        esac
        if [ ! -e "$target" ]; then
            echo "$document: no file for the link '$link'"
            failed=$((failed + 1))
        elif [ "${link#*#}" != "$link" ] && ! anchors "$target" | grep -qxF "${link#*#}"; then
            echo "$document: no heading for the link '$link'"
            failed=$((failed + 1))
        fi
    done
done
echo "$blocks blocks, $failed wrong"
[ "$failed" -eq 0 ]
