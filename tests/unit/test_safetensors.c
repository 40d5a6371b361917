/* core/source/safetensors: what is read, and every way in which a header can be wrong. */
#include "../plugin/fixture.h"
#include "source/file.h"
#include "source/safetensors.h"

static fixture f;
static void start(void) { fixture_make(&f); }
static void stop(void) { fixture_remove(&f); }

/* A file with this header and so many bytes of data. */
static const char *write_raw(const void *header, size_t n, uint64_t length, uint64_t data)
{
    const char *path = fixture_place(&f, "a.safetensors");
    FILE *file = fopen(path, "wb");
    unsigned char le[8];
    ck_assert_ptr_nonnull(file);
    for (unsigned i = 0; i < 8; i++)
        le[i] = (unsigned char)(length >> 8 * i);
    ck_assert_uint_eq(fwrite(le, 1, 8, file), 8);
    if (n)
        ck_assert_uint_eq(fwrite(header, 1, n, file), n);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(truncate(path, (off_t)(8 + n + data)), 0);
    return path;
}

static gpumem_status read_path(const char *path, gm_safetensors *out, gpumem_error *err)
{
    gm_reader *r;
    gpumem_status s = gm_file_reader(path, true, &r, err);
    *out = (gm_safetensors){0};
    if (s != GPUMEM_OK)
        return s;
    s = gm_safetensors_read(r, out, err);
    r->close(r);
    return s;
}

static void reads(const char *header, uint64_t data, gm_safetensors *out)
{
    gpumem_error e = {0};
    ck_assert_msg(read_path(write_raw(header, strlen(header), strlen(header), data), out, &e) == GPUMEM_OK, "%s: %s", header, e.message);
}

static void refuses_file(const char *path, gpumem_status status, unsigned column, const char *part)
{
    gpumem_error e = {0};
    gm_safetensors s;
    ck_assert_msg(read_path(path, &s, &e) == status, "status %d, not %d: %s; expected %s", e.status, status, e.message, part);
    ck_assert_msg(strstr(e.message, part) != NULL, "'%s' is not in: %s", part, e.message);
    ck_assert_msg(column == 0 || e.column == column, "%s: column %u, not %u", e.message, e.column, column);
    ck_assert_str_eq(e.file, path);
    gm_safetensors_free(&s);
    ck_assert_int_eq(read_path(path, &s, NULL), status);
    gm_safetensors_free(&s);
}

static void refuses(const char *header, uint64_t data, unsigned column, const char *part)
{
    refuses_file(write_raw(header, strlen(header), strlen(header), data), GPUMEM_ESYNTAX, column, part);
}

START_TEST(entries)
{
    gm_safetensors s;
    reads("{\"__metadata__\":{\"format\":\"pt\",\"a\":\"\"},\"x.w\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[0,12]},\n"
          " \"\\u00e9\\ud83d\\ude00\\\"\" : { \"data_offsets\" : [ 12 , 16 ] , \"shape\" : [ ] , \"dtype\" : \"F32\" } }   ", 16, &s);
    ck_assert_uint_eq(s.ntensor, 2);
    ck_assert_str_eq(s.tensor[0].name, "x.w");
    ck_assert_str_eq(s.tensor[0].dtype_name, "BF16");
    ck_assert_uint_eq(s.tensor[0].ndim, 2);
    ck_assert_uint_eq(s.tensor[0].dim[1], 3);
    ck_assert_uint_eq(s.tensor[0].elements, 6);
    ck_assert_str_eq(s.tensor[1].name, "\xc3\xa9\xf0\x9f\x98\x80\"");
    ck_assert_uint_eq(s.tensor[1].ndim, 0);
    ck_assert_uint_eq(s.tensor[1].elements, 1);
    ck_assert_uint_eq(s.tensor[1].begin, 12);
    gm_safetensors_free(&s);
}
END_TEST

START_TEST(orders)
{
    gm_safetensors s;
    reads("{}", 0, &s);
    ck_assert_uint_eq(s.ntensor, 0);
    gm_safetensors_free(&s);
    reads("{\"__metadata__\":{}}", 0, &s);
    gm_safetensors_free(&s);
    /* not in the order of the data, and one without bytes between */
    reads("{\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]},\"none\":{\"dtype\":\"F64\",\"shape\":[7,0,3],\"data_offsets\":[4,4]},"
          "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, &s);
    ck_assert_uint_eq(s.ntensor, 3);
    ck_assert_uint_eq(s.tensor[1].elements, 0);
    gm_safetensors_free(&s);
    /* a dtype that nobody knows: bytes are known all the same */
    reads("{\"a\":{\"dtype\":\"Q3\",\"shape\":[8],\"data_offsets\":[0,3]}}", 3, &s);
    ck_assert_ptr_null(s.tensor[0].dtype);
    ck_assert_str_eq(s.tensor[0].dtype_name, "Q3");
    gm_safetensors_free(&s);
}
END_TEST

START_TEST(dtypes)
{
    static const struct { const char *name; unsigned bits; } row[] = {
        {"F4", 4}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"BOOL", 8}, {"U8", 8}, {"I8", 8}, {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8},
        {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16}, {"BF16", 16}, {"I32", 32}, {"U32", 32}, {"F32", 32},
        {"I64", 64}, {"U64", 64}, {"F64", 64}, {"C64", 64}, {"FP4", 4}, {"E8M0", 8}, {"UE8", 8}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        char header[200];
        gm_safetensors s;
        snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"%s\",\"shape\":[3,8],\"data_offsets\":[0,%u]}}", row[i].name, 3 * row[i].bits);
        reads(header, 3 * row[i].bits, &s);
        ck_assert_ptr_nonnull(s.tensor[0].dtype);
        ck_assert_str_eq(s.tensor[0].dtype_name, row[i].name);
        ck_assert_uint_eq(s.tensor[0].dtype->bits, row[i].bits);
        gm_safetensors_free(&s);
    }
}
END_TEST

START_TEST(lengths)
{
    const char *path = fixture_write(&f, "a.safetensors", "1234567");
    refuses_file(path, GPUMEM_ESYNTAX, 0, "7 bytes: a safetensors file has at least 8");
    refuses_file(fixture_write(&f, "a.safetensors", ""), GPUMEM_ESYNTAX, 0, "0 bytes");
    refuses_file(write_raw("{}", 2, 0, 0), GPUMEM_ESYNTAX, 0, "bytes 0 to 7, is 0");
    refuses_file(write_raw("{}", 2, UINT64_MAX, 0), GPUMEM_ESYNTAX, 0, "negative or beyond 63 bits: 0xffffffffffffffff");
    refuses_file(write_raw("{}", 2, 1ull << 63, 0), GPUMEM_ESYNTAX, 0, "negative");
    refuses_file(write_raw("{}", 2, 1ull << 62, 0), GPUMEM_ESYNTAX, 0, "at most 100000000 are allowed");
    refuses_file(write_raw("{}", 2, 100000001, 0), GPUMEM_ESYNTAX, 0, "is 100000001: at most 100000000 are allowed");
    refuses_file(write_raw("{}", 2, 3, 0), GPUMEM_ESYNTAX, 0, "is 3, but the file has 10 bytes");
    refuses_file(write_raw("{}", 2, 100000000, 0), GPUMEM_ESYNTAX, 0, "but the file has 10 bytes");
}
END_TEST

/* Headers at and beyond the guess, and of 100 MB: the padding is of spaces. */
START_TEST(long_headers)
{
    static const char entry[] = "{\"a\":{\"dtype\":\"F4\",\"shape\":[4],\"data_offsets\":[0,2]}";
    static const size_t length[] = {99990, 99992, 99993, 99994, 99999, 100000, 100001, 100002, 250000, 26000000, 100000000};
    for (size_t i = 0; i < sizeof length / sizeof *length; i++) {
        char *text = malloc(length[i]);
        gpumem_error e = {0};
        gm_safetensors s;
        ck_assert_ptr_nonnull(text);
        memset(text, ' ', length[i]);
        memcpy(text, entry, strlen(entry));
        text[length[i] - 1] = '}';
        ck_assert_msg(read_path(write_raw(text, length[i], length[i], 2), &s, &e) == GPUMEM_OK, "%zu: %s", length[i], e.message);
        ck_assert_uint_eq(s.tensor[0].elements, 4);
        ck_assert_int_eq(s.large, length[i] > 25000000);
        gm_safetensors_free(&s);
        free(text);
    }
}
END_TEST

#define T(rest) "{\"a\":{" rest "}}"
START_TEST(json)
{
    static const struct { const char *text; unsigned column; const char *part; } row[] = {
        {" {}", 1, "a header starts with '{'"}, {"[]", 1, "starts with '{'"}, {"{", 2, "the name of a tensor, in double quotes, expected, but the text ends"},
        {"{}x", 3, "the end of the text expected, not 'x'"}, {"{} {", 4, "the end of the text"}, {"{a", 2, "not 'a'"}, {"{\"a\"}", 5, "':' expected, not '}'"},
        {"{\"a\":1}", 6, "{dtype, shape, data_offsets}, expected, not '1'"}, {"{\"a\":{}}", 7, "dtype, shape or data_offsets"},
        {"{\"a", 2, "does not end"}, {"{\"a\\x\":1}", 4, "unknown escape"}, {"{\"a\\u12\":1}", 4, "four hexadecimal"}, {"{\"\\ud800\":1}", 3, "surrogate"},
        {"{\"\\udc00\":1}", 3, "surrogate"}, {"{\"\\u0000\":1}", 3, "the character 0"}, {"{\"\xff\":1}", 3, "invalid UTF-8"}, {"{\"\xc3\":1}", 3, "invalid UTF-8"},
        {"{\"\xed\xa0\x80\":1}", 3, "invalid UTF-8"}, {"{\"\n\":1}", 3, "control character"}, {"{\xc3\xa9", 2, "the byte 0xc3"},
        {T("\"dtype\":1"), 15, "the dtype, a string, expected, not '1'"}, {T("\"shape\":{}"), 15, "the shape, a list,"},
        {T("\"shape\":[1,]"), 18, "an integer of at least 0, expected, not ']'"}, {T("\"shape\":[1 2]"), 18, "',' or ']' expected, not '2'"},
        {T("\"shape\":[-1]"), 16, "not a negative number"}, {T("\"shape\":[1.0]"), 17, "not a fraction"}, {T("\"shape\":[1e2]"), 17, "not a fraction"},
        {T("\"shape\":[01]"), 16, "must not start with 0"}, {T("\"shape\":[18446744073709551616]"), 16, "does not fit in 64 bits"},
        {T("\"shape\":[null]"), 16, "not 'n'"}, {T("\"shape\":[\"1\"]"), 16, "not '\"'"},
        {T("\"data_offsets\":[0]"), 24, "',' and the second offset"}, {T("\"data_offsets\":[0,1,2]"), 26, "']' behind two offsets"},
        {T("\"data_offsets\":[-1,1]"), 23, "not a negative number"}, {T("\"data_offsets\":5"), 22, "a list of two"},
        {T("\"kind\":1"), 7, "'a' has the key 'kind'"}, {T("\"dtype\":\"U8\",\"dtype\":\"U8\""), 20, "'a' has dtype twice"},
        {T("\"dtype\":\"U8\",\"shape\":[1],}"), 32, "dtype, shape or data_offsets"}, {T("\"dtype\":\"U8\",\"shape\":[1]"), 2, "'a' has no data_offsets"},
        {T("\"shape\":[1],\"data_offsets\":[0,1]"), 2, "'a' has no dtype"}, {T("\"dtype\":\"U8\",\"data_offsets\":[0,1]"), 2, "'a' has no shape"},
        {"{\"__metadata__\":{\"a\":1}}", 22, "a string, for __metadata__ has only those, expected, not '1'"}, {"{\"__metadata__\":[]}", 17, "__metadata__, an object"},
        {"{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0, "__metadata__ has the key 'a' twice"}, {"{\"__metadata__\":{},\"__metadata__\":{}}", 20, "'__metadata__' is there twice"},
        {"{\"__metadata__\":null}", 17, "__metadata__, an object"}, {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},}", 54, "the name of a tensor"},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        refuses(row[i].text, 1, row[i].column, row[i].part);
    refuses_file(write_raw("{\0}", 3, 3, 0), GPUMEM_ESYNTAX, 2, "the byte 0x00");
    refuses_file(write_raw("{\"a\0\":1}", 8, 8, 0), GPUMEM_ESYNTAX, 4, "control character");
}
END_TEST

START_TEST(line_numbers)
{
    gpumem_error e = {0};
    gm_safetensors s;
    const char *text = "{\n \"a\": {\n  \"dtype\": 5}}";
    ck_assert_int_eq(read_path(write_raw(text, strlen(text), strlen(text), 0), &s, &e), GPUMEM_ESYNTAX);
    ck_assert_uint_eq(e.line, 3);
    ck_assert_uint_eq(e.column, 12);
    ck_assert_ptr_nonnull(strstr(e.message, "at byte 29"));
    gm_safetensors_free(&s);
}
END_TEST

#define E(name, dtype, shape, offsets) "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
START_TEST(data)
{
    static const struct { const char *text; uint64_t data; const char *part; } row[] = {
        {"{" E("a", "U8", "[4]", "[0,4]") "," E("a", "U8", "[4]", "[4,8]") "}", 8, "'a' is there twice"},
        {"{" E("a", "U8", "[4]", "[0,4]") "," E("\\u0061", "U8", "[4]", "[4,8]") "}", 8, "'a' is there twice"},
        {"{" E("a", "U8", "[4]", "[0,4]") "," E("b", "U8", "[4]", "[3,7]") "}", 7, "data_offsets of 'a' and 'b' overlap: 3 is before 4"},
        {"{" E("a", "U8", "[4]", "[0,4]") "," E("b", "U8", "[4]", "[0,4]") "}", 4, "overlap: 0 is before 4"},
        {"{" E("b", "U8", "[4]", "[2,6]") "," E("a", "U8", "[4]", "[0,4]") "}", 6, "overlap: 2 is before 4"},
        {"{" E("a", "U8", "[4]", "[0,4]") "," E("b", "U8", "[4]", "[5,9]") "}", 9, "a hole before 'b': bytes 4 to 5"},
        {"{" E("a", "U8", "[4]", "[1,5]") "}", 5, "a hole before 'a': bytes 0 to 1"},
        {"{" E("a", "U8", "[4]", "[4,0]") "}", 4, "'a' ends at 0, before it begins at 4"},
        {"{" E("a", "U8", "[4]", "[0,4]") "}", 3, "describes 4 bytes of data, but the file has 3 behind it"},
        {"{" E("a", "U8", "[4]", "[0,4]") "}", 5, "describes 4 bytes of data, but the file has 5 behind it"},
        {"{}", 1, "describes 0 bytes of data, but the file has 1"},
        {"{" E("a", "F16", "[4]", "[0,4]") "}", 4, "'a' has 4 bytes, but 4 elements of F16 are 8"},
        {"{" E("a", "U8", "[]", "[0,0]") "}", 0, "'a' has 0 bytes, but 1 elements of U8 are 1"},
        {"{" E("a", "F4", "[3]", "[0,2]") "}", 2, "3 elements of F4 are no whole bytes"},
        {"{" E("a", "F6_E2M3", "[2]", "[0,2]") "}", 2, "2 elements of F6_E2M3 are no whole bytes"},
        {"{" E("a", "U8", "[4294967296,4294967296]", "[0,4]") "}", 4, "the product of its shape does not fit"},
        {"{" E("a", "F64", "[4294967296,1073741824]", "[0,4]") "}", 4, "its size does not fit"},
        {"{" E("a", "U8", "[18446744073709551615]", "[0,18446744073709551615]") "}", 4, "its size does not fit"},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        refuses(row[i].text, row[i].data, 0, row[i].part);
    refuses("{" E("a", "U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,1]") "}",
            1, 0, "more than 64 dimensions");
}
END_TEST

START_TEST(files)
{
    gpumem_error e = {0};
    gm_reader *r = (gm_reader *)&e;
    char buf[4];
    ck_assert_int_eq(gm_file_reader(fixture_path(&f, "none"), false, &r, &e), GPUMEM_OK);
    ck_assert_ptr_null(r);
    ck_assert_int_eq(gm_file_reader(fixture_path(&f, "none"), true, &r, &e), GPUMEM_EIO);
    ck_assert_str_eq(e.message, "no such file");
    e = (gpumem_error){0};
    ck_assert_int_eq(gm_file_reader(f.root, true, &r, &e), GPUMEM_EIO);
    ck_assert_str_eq(e.message, "is a directory");
    e = (gpumem_error){0};
    ck_assert_int_eq(gm_file_reader("/dev/null", true, &r, &e), GPUMEM_EIO);
    ck_assert_str_eq(e.message, "is not a regular file");
    e = (gpumem_error){0};
    ck_assert_int_eq(gm_file_reader(fixture_write(&f, "b", "abcdef"), true, &r, &e), GPUMEM_OK);
    ck_assert_uint_eq(r->size, 6);
    ck_assert_int_eq(r->read(r, 2, 4, buf, &e), GPUMEM_OK);
    ck_assert_int_eq(memcmp(buf, "cdef", 4), 0);
    ck_assert_int_eq(r->read(r, 3, 4, buf, &e), GPUMEM_EIO);
    ck_assert_str_eq(e.message, "4 bytes expected at byte 3, but the file has 6 bytes");
    e = (gpumem_error){0};
    ck_assert_int_eq(r->read(r, UINT64_MAX, 4, buf, &e), GPUMEM_EIO);
    e = (gpumem_error){0};
    ck_assert_int_eq(truncate(r->name, 3), 0);
    ck_assert_int_eq(r->read(r, 2, 4, buf, &e), GPUMEM_EIO);
    ck_assert_str_eq(e.message, "became shorter while it was read");
    r->close(r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("safetensors");
    TCase *tc = tcase_create("safetensors");
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, entries);
    tcase_add_test(tc, orders);
    tcase_add_test(tc, dtypes);
    tcase_add_test(tc, lengths);
    tcase_add_test(tc, long_headers);
    tcase_add_test(tc, json);
    tcase_add_test(tc, line_numbers);
    tcase_add_test(tc, data);
    tcase_add_test(tc, files);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
