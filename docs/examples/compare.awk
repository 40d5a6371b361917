# awk -v field=NAME -f compare.awk CASES RESULTS: cases whose field is not what was measured, one a line.
# CASES holds what was measured beside each case, RESULTS what `gpumem batch CASES` printed.
function value(line, name) {
    if (!match(line, "\"" name "\": (\"[^\"]*\"|[0-9]+)"))
        return ""
    return substr(line, RSTART + length(name) + 4, RLENGTH - length(name) - 4)
}
FNR == NR { measured[FNR] = $0; next }
{
    is = value($0, field)
    was = value(measured[FNR], field)
    if (is != "" && was != "" && is != was)
        print value(measured[FNR], "config"), value(measured[FNR], "optimizer"), value(measured[FNR], "implementation"), was, is
}
