#include "plugin/trust.h"

#include "../plugin/fixture.h"

#include <pwd.h>

static fixture f;
static void setup(void) { fixture_make(&f); }
static void teardown(void) { fixture_remove(&f); }

/* ---- SHA-256 ------------------------------------------------------------------------------------------------------ */

static void hex_of(const void *data, size_t n, char hex[65])
{
    unsigned char digest[32];
    gm_sha256(data, n, digest);
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

START_TEST(sha256_known)
{
    static const struct { const char *text, *digest; } known[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    char hex[65];
    hex_of(known[_i].text, strlen(known[_i].text), hex);
    ck_assert_str_eq(hex, known[_i].digest);
}
END_TEST

START_TEST(sha256_lengths) /* `a` so many times: around the ends of blocks */
{
    static const struct { size_t n; const char *digest; } known[] = {
        {1, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"},
        {55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
        {56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
        {57, "f13b2d724659eb3bf47f2dd6af1accc87b81f09f59f2b75e5c0bed6589dfe8c6"},
        {63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"},
        {64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
        {65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"},
        {119, "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb"},
        {120, "2f3d335432c70b580af0e8e1b3674a7c020d683aa5f73aaaedfdc55af904c21c"},
        {128, "6836cf13bac400e9105071cd6af47084dfacad4e5e302c94bfed24e013afb73e"},
        {1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    };
    static char as[1000000];
    char hex[65];
    memset(as, 'a', sizeof as);
    hex_of(as, known[_i].n, hex);
    ck_assert_str_eq(hex, known[_i].digest);
}
END_TEST

/* ---- files ------------------------------------------------------------------------------------------------------------ */

static void accepted(const char *file, const char *sha256)
{
    gpumem_error err = {0};
    gm_trust_check(fixture_path(&f, "p"), file, sha256, &err);
    ck_assert_msg(err.status == GPUMEM_OK, "%s: %s", err.file, err.message);
}

static void refused(const char *file, const char *sha256, const char *place, const char *message)
{
    gpumem_error err = {0};
    char folder[PATH_MAX];
    strcpy(folder, fixture_path(&f, "p"));
    ck_assert_int_eq(gm_trust_check(folder, file, sha256, &err), GPUMEM_EPLUGIN);
    ck_assert_str_eq(err.file, fixture_path(&f, place));
    ck_assert_msg(strstr(err.message, message) != NULL, "'%s' is not in '%s'", message, err.message);
}

START_TEST(regular)
{
    fixture_write(&f, "p/x.so", "abc");
    accepted("x.so", NULL);
    ck_assert_int_eq(gm_trust_check(fixture_path(&f, "p"), "y.so", NULL, NULL), GPUMEM_EPLUGIN);
}
END_TEST

START_TEST(digest)
{
    char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    fixture_write(&f, "p/x.so", "abc");
    accepted("x.so", abc);
    abc[0] = 'B';
    accepted("x.so", abc);
    abc[0] = 'c';
    refused("x.so", abc, "p/x.so", "SHA-256 is ba7816bf");
}
END_TEST

START_TEST(missing)
{
    refused("x.so", NULL, "p", "no such file");
    fixture_write(&f, "p/y.so", "");
    refused("x.so", NULL, "p/x.so", "no such file");
}
END_TEST

START_TEST(names)
{
    static const char *const bad[] = {"", ".", "..", "../x.so", "/etc/passwd", "a/b.so"};
    fixture_write(&f, "p/x.so", "");
    refused(bad[_i], NULL, "p", "is not a plain file name");
}
END_TEST

START_TEST(not_regular)
{
    fixture_write(&f, "p/d/x", "");
    refused("d", NULL, "p/d", "is not a regular file");
    ck_assert_int_eq(mkfifo(fixture_path(&f, "p/fifo"), 0600), 0);
    refused("fifo", NULL, "p/fifo", "is not a regular file");
}
END_TEST

START_TEST(symbolic_links)
{
    char target[PATH_MAX];
    strcpy(target, fixture_write(&f, "p/x.so", ""));
    ck_assert_int_eq(symlink(target, fixture_path(&f, "p/link.so")), 0);
    refused("link.so", NULL, "p/link.so", "is a symbolic link");
    strcpy(target, fixture_path(&f, "real"));
    ck_assert_int_eq(rename(fixture_path(&f, "p"), target), 0);
    ck_assert_int_eq(symlink(target, fixture_path(&f, "p")), 0);
    refused("x.so", NULL, "p", "is a symbolic link");
}
END_TEST

START_TEST(folder_is_file)
{
    fixture_write(&f, "p", "");
    refused("x.so", NULL, "p", "is not a folder");
}
END_TEST

START_TEST(writable_by_all)
{
    gpumem_error err = {0};
    fixture_write(&f, "p/x.so", "");
    ck_assert_int_eq(chmod(fixture_path(&f, "p/x.so"), 0646), 0);
    refused("x.so", NULL, "p/x.so", "is writable by everyone (mode 0646)");
    gm_trust_check(fixture_path(&f, "p"), "x.so", NULL, &err);
    ck_assert_uint_eq(err.ntip, 1);
    ck_assert_ptr_nonnull(strstr(err.tip[0], "chmod go-w"));
    ck_assert_int_eq(chmod(fixture_path(&f, "p/x.so"), 0644), 0);
    ck_assert_int_eq(chmod(fixture_path(&f, "p"), 01777), 0);
    refused("x.so", NULL, "p", "is writable by everyone (mode 1777)");
}
END_TEST

START_TEST(writable_by_own_group)
{
    const struct passwd *user = getpwuid(geteuid());
    struct stat st;
    ck_assert_int_eq(stat(fixture_write(&f, "p/x.so", ""), &st), 0);
    ck_assert_int_eq(chmod(f.path, 0664), 0);
    if (user && user->pw_gid == st.st_gid)
        accepted("x.so", NULL);
    else
        refused("x.so", NULL, "p/x.so", "is writable by its group (mode 0664)");
}
END_TEST

START_TEST(of_others) /* only root can give files away */
{
    fixture_write(&f, "p/x.so", "");
    if (geteuid() != 0)
        return;
    ck_assert_int_eq(chmod(f.path, 0664), 0);
    ck_assert_int_eq(chown(f.path, 0, 12345), 0);
    refused("x.so", NULL, "p/x.so", "is writable by its group (mode 0664)");
    ck_assert_int_eq(chmod(fixture_path(&f, "p/x.so"), 0644), 0);
    accepted("x.so", NULL);
    ck_assert_int_eq(chown(fixture_path(&f, "p/x.so"), 54321, 0), 0);
    refused("x.so", NULL, "p/x.so", "belongs to user 54321");
    ck_assert_int_eq(chown(fixture_path(&f, "p/x.so"), 0, 0), 0);
    ck_assert_int_eq(chown(fixture_path(&f, "p"), 54321, 0), 0);
    refused("x.so", NULL, "p", "belongs to user 54321");
}
END_TEST

START_TEST(of_root) /* what root owns is good for an ordinary user, and only what is its own beside that */
{
    if (geteuid() != 0)
        return;
    fixture_write(&f, "p/x.so", "");
    ck_assert_int_eq(chmod(f.root, 0755), 0);
    ck_assert_int_eq(seteuid(12345), 0);
    accepted("x.so", NULL);
    ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chown(fixture_path(&f, "p/x.so"), 12345, 0), 0);
    ck_assert_int_eq(seteuid(12345), 0);
    accepted("x.so", NULL);
    ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(seteuid(12346), 0);
    refused("x.so", NULL, "p/x.so", "belongs to user 12345");
    ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trust");
    TCase *sha = tcase_create("sha256"), *files = tcase_create("files");
    tcase_add_loop_test(sha, sha256_known, 0, 3);
    tcase_add_loop_test(sha, sha256_lengths, 0, 11);
    suite_add_tcase(suite, sha);
    tcase_add_checked_fixture(files, setup, teardown);
    tcase_add_test(files, regular);
    tcase_add_test(files, digest);
    tcase_add_test(files, missing);
    tcase_add_loop_test(files, names, 0, 6);
    tcase_add_test(files, not_regular);
    tcase_add_test(files, symbolic_links);
    tcase_add_test(files, folder_is_file);
    tcase_add_test(files, writable_by_all);
    tcase_add_test(files, writable_by_own_group);
    tcase_add_test(files, of_others);
    tcase_add_test(files, of_root);
    suite_add_tcase(suite, files);
    return run_suite(suite);
}
