# match.awk EXPECTED ACTUAL: are they the same?  "..." stands for any lines, " ..." at the end of a line for the rest of it.
FILENAME == ARGV[1] { expected[++n] = $0; next }
{ actual[++m] = $0 }
function same(e, a) {
    if (e ~ / \.\.\.$/)
        return index(a, substr(e, 1, length(e) - 4)) == 1
    return e == a
}
END {
    at = 1
    for (i = 1; i <= n; i++) {
        if (expected[i] == "...") {
            any = 1
            continue
        }
        while (any && at <= m && !same(expected[i], actual[at]))
            at++
        if (at > m || !same(expected[i], actual[at])) {
            print "line " i " is expected to be: " expected[i]
            exit 1
        }
        any = 0
        at++
    }
    if (at <= m && !any) {
        print "more lines than expected, first: " actual[at]
        exit 1
    }
}
