"""test_hub.py GPUMEM: models of a hub, as a person sees them.  The hub is server.py; nothing leaves the loopback interface."""
import ctypes.util
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import server
except ImportError as e:  # pragma: no cover
    print(f"skipped: {e}")
    sys.exit(77)

GPUMEM = None
CONFIG = json.dumps(server.CONFIG).encode()


class HubTest(unittest.TestCase):
    def setUp(self):
        self.hub = server.Hub()
        self.home = tempfile.mkdtemp(prefix="gpumem-hub-")
        self.cache = os.path.join(self.home, ".cache/huggingface/hub")
        self.own = os.path.join(self.home, ".cache/gpumem")

    def tearDown(self):
        self.hub.close()
        shutil.rmtree(self.home)

    def run_it(self, *args, code=0, program=None, **env):
        e = {"HOME": self.home, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HF_ENDPOINT": self.hub.url, "HF_HUB_DOWNLOAD_TIMEOUT": "1",
             **{k: v for k, v in os.environ.items() if k.startswith(("ASAN", "UBSAN", "LSAN"))}, **env}
        e = {k: v for k, v in e.items() if v is not None}
        r = subprocess.run([program or GPUMEM, *args], env=e, capture_output=True, text=True, cwd=self.home, timeout=100)
        if code is not None:
            self.assertEqual(r.returncode, code, r.stderr + r.stdout)
        self.assertNotIn("Sanitizer", r.stderr)
        self.assertNotIn("runtime error", r.stderr)
        if code:
            self.assertEqual(r.stdout, "")
            self.assertTrue(r.stderr.startswith(("error: ", "note: ")), r.stderr)
        r.words = " ".join(r.stderr.split())
        return r

    def model(self, name, *more, **env):
        """The JSON of gpumem model NAME."""
        code = env.pop("code", 0)
        r = self.run_it("model", name, "--json", *more, code=code, **env)
        return r if code else json.loads(r.stdout)["model"]

    def paths(self, host=None):
        return [e["path"] for e in self.hub.log if host is None or e["host"] == host]

    # ---- names and addresses

    def test_name(self):
        self.hub.add("org/small")
        m = self.model("org/small")
        self.assertEqual((m["name"], m["source"], m["family"]), ("org/small", "hub", "llama"))
        self.assertEqual(self.hub.log[0]["encoding"], "identity")
        self.assertTrue(self.hub.log[0]["agent"].startswith("gpumem/"))
        self.assertEqual(self.paths("far"), [])

    def test_single_word(self):
        self.hub.add("smallest")
        self.assertEqual(self.model("smallest")["name"], "smallest")

    def test_revisions(self):
        r = self.hub.add("org/small")
        self.assertEqual(self.model("org/small@refs/pr/1")["name"], "org/small@refs/pr/1")
        self.assertIn("/org/small/resolve/refs/pr/1/config.json", self.paths())
        self.assertTrue(os.path.isfile(f"{self.cache}/models--org--small/refs/refs/pr/1"))
        self.model("org/small@" + r.commit)
        r = self.model("org/small@nothing", code=6)
        self.assertIn("has no revision 'nothing'", r.words)

    def test_addresses(self):
        r = self.hub.add("org/small", {"config.json": CONFIG, "sub/config.json": json.dumps(dict(server.CONFIG, hidden_size=32)).encode()})
        for address in (f"{self.hub.url}/org/small", f"{self.hub.url}/org/small/tree/main", "https://huggingface.co/org/small", "hf.co/org/small",
                        "hf://org/small", f"https://huggingface.co/org/small/blob/main/config.json?x=1#y", f"{self.hub.url}/org/small/resolve/{r.commit}/config.json",
                        "https://huggingface.co/org/small/tree/refs%2Fpr%2F1"):
            with self.subTest(address):
                self.assertEqual(self.model(address)["parameters"], self.model("org/small")["parameters"])
        self.assertLess(self.model(f"{self.hub.url}/org/small/tree/main/sub")["parameters"], self.model("org/small")["parameters"])

    def test_addresses_that_are_none(self):
        for address in ("https://example.com/org/name", "https://huggingface.co/datasets/org/name", "https://huggingface.co/", "ftp://huggingface.co/a/b",
                        "https://huggingface.co/../..", "org/name@../../x", "https://huggingface.co/org/name/tree/main/../../x", "org/name@a b",
                        "https://huggingface.co/org/name/tree/main/%2e%2e/x", "https://huggingface.co/org/name/settings"):
            with self.subTest(address):
                self.model(address, code=6)
        for name in ("org/na--me", "x-/y", "a/b/c", "org/name.git", "x" * 200):
            with self.subTest(name):
                self.model(name, code=3)
        self.assertEqual(self.hub.log, [])

    def test_catalogue_first(self):
        self.assertEqual(self.model("microsoft/phi-2")["source"], "catalogue")
        self.assertEqual(self.model("https://huggingface.co/microsoft/phi-2")["source"], "catalogue")
        self.assertEqual(self.hub.log, [])

    def test_libcurl_is_not_linked(self):
        out = subprocess.run(["ldd", GPUMEM], capture_output=True, text=True).stdout
        self.assertNotIn("libcurl", out)

    def test_classic(self):
        self.hub.add("org/small")
        r = self.run_it("--model", "org/small", program=os.path.join(os.path.dirname(GPUMEM), "gpu_memory_calculator"))
        self.assertIn("Loading model configuration from HuggingFace: org/small", r.stdout)

    def test_batch(self):
        self.hub.add("org/small")
        cases = os.path.join(self.home, "cases.jsonl")
        with open(cases, "w") as f:
            f.write('{"model": "org/small"}\n{"model": "org/none"}\n')
        good, bad = map(json.loads, self.run_it("batch", cases).stdout.splitlines())
        self.assertNotIn("error", good)
        self.assertEqual(bad["error"]["code"], 6)

    # ---- the cache

    def test_cache_layout(self):
        """What is written is what huggingface_hub writes."""
        r = self.hub.add("org/small")
        self.model("org/small")
        base = f"{self.cache}/models--org--small"
        blob = server.git_id(CONFIG)
        with open(f"{base}/refs/main") as f:
            self.assertEqual(f.read(), r.commit)
        with open(f"{base}/blobs/{blob}", "rb") as f:
            self.assertEqual(f.read(), CONFIG)
        self.assertEqual(os.readlink(f"{base}/snapshots/{r.commit}/config.json"), f"../../blobs/{blob}")
        with open(f"{self.cache}/CACHEDIR.TAG") as f:
            self.assertEqual(f.readline(), "Signature: 8a477f597d28d172789f06886806bc55\n")
        self.assertTrue(os.path.isfile(f"{self.cache}/.locks/models--org--small/{blob}.lock"))
        left = [f for _, _, files in os.walk(self.home) for f in files if f.endswith((".incomplete", ".tmp"))]
        self.assertEqual(left, [])

    def make_cache(self, name="org/old", revision="main", files=None, links=True):
        """As snapshot_download() leaves it."""
        base, commit = f"{self.cache}/models--{name.replace('/', '--')}", hashlib.sha1(name.encode()).hexdigest()
        for d in ("blobs", f"snapshots/{commit}", "refs", f".no_exist/{commit}"):
            os.makedirs(f"{base}/{d}", exist_ok=True)
        with open(f"{base}/refs/{revision}", "w") as f:
            f.write(commit)
        for file, data in (files or {"config.json": CONFIG}).items():
            path, blob = f"{base}/snapshots/{commit}/{file}", f"{base}/blobs/{server.git_id(data)}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(blob if links else path, "wb") as f:
                f.write(data)
            if links:
                os.symlink(os.path.relpath(blob, os.path.dirname(path)), path)
        return base, commit

    def test_cache_of_the_clients(self):
        self.make_cache()
        for how in ({"HF_HUB_OFFLINE": "1"}, {"HF_HUB_OFFLINE": "", "TRANSFORMERS_OFFLINE": "true"}):
            self.assertEqual(self.model("org/old", **how)["source"], "cache")
        self.assertEqual(self.model("org/old", "--offline")["source"], "cache")
        self.assertEqual(self.hub.log, [])

    def test_cache_without_links(self):
        _, commit = self.make_cache(links=False)
        self.assertEqual(self.model("org/old@" + commit)["source"], "cache")
        self.assertEqual(self.hub.log, [])

    def test_cache_places(self):
        self.make_cache()
        there = os.path.join(self.home, "there")
        for env, path in (({"HF_HUB_CACHE": "~/there"}, there), ({"HUGGINGFACE_HUB_CACHE": "$HOME/there"}, there),
                          ({"HF_HOME": there}, there + "/hub"), ({"XDG_CACHE_HOME": there}, there + "/huggingface/hub")):
            with self.subTest(env):
                self.model("org/old", "--offline", code=6, **env)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                shutil.copytree(self.cache, path, symlinks=True)
                self.assertEqual(self.model("org/old", "--offline", **env)["source"], "cache")
                shutil.rmtree(there)

    def test_dangling_link_is_nothing(self):
        base, _ = self.make_cache()
        shutil.rmtree(base + "/blobs")
        self.assertIn("neither in the catalogue nor in the cache", self.model("org/old", "--offline", code=6).words)

    def test_whole_commit_asks_nobody(self):
        r = self.hub.add("org/small")
        self.model("org/small@" + r.commit)
        n = len(self.hub.log)
        self.assertEqual(self.model("org/small@" + r.commit)["source"], "cache")
        self.assertEqual(len(self.hub.log), n)

    def test_revalidated_without_a_byte(self):
        """The second time the redirect says enough; of the file itself nothing is asked."""
        self.hub.add("org/small")
        self.model("org/small")
        self.hub.log.clear()
        self.assertEqual(self.model("org/small")["source"], "hub")
        self.assertEqual(self.paths(), ["/org/small/resolve/main/config.json"])

    def test_new_commit_same_content(self):
        r = self.hub.add("org/small")
        self.model("org/small")
        self.hub.log.clear()
        r.commit = "b" * 40
        self.model("org/small")
        self.assertEqual(self.paths(), ["/org/small/resolve/main/config.json"])
        with open(f"{self.cache}/models--org--small/refs/main") as f:
            self.assertEqual(f.read(), "b" * 40)
        self.assertTrue(os.path.isfile(f"{self.cache}/models--org--small/snapshots/{'b' * 40}/config.json"))

    def test_changed_etag(self):
        for how in (None, "direct"):
            name = f"org/{how or 'usual'}"
            r = self.hub.add(name, how=how)
            first = self.model(name)["parameters"]
            r.set({"config.json": json.dumps(dict(server.CONFIG, num_hidden_layers=4)).encode()})
            self.assertGreater(self.model(name)["parameters"], first)

    def test_direct_body_is_not_read_again(self):
        big = json.dumps(dict(server.CONFIG, padding="x" * 9000)).encode()
        self.hub.add("org/direct", {"config.json": big}, "direct")
        self.model("org/direct")
        self.assertEqual(self.model("org/direct")["source"], "hub")
        self.assertEqual(len(self.hub.log), 2)

    def test_no_config_is_remembered(self):
        r = self.hub.add("org/empty", {"README.md": b"#"})
        self.assertIn("has no config.json", self.model("org/empty", code=6).words)
        self.assertTrue(os.path.isfile(f"{self.cache}/models--org--empty/.no_exist/{r.commit}/config.json"))

    def test_cache_that_cannot_be_written(self):
        self.hub.add("org/small")
        with open(os.path.join(self.home, "file"), "w"):
            pass
        self.assertEqual(self.model("org/small", HF_HUB_CACHE=os.path.join(self.home, "file"))["source"], "hub")
        self.assertEqual(self.model("org/small", HOME=None)["source"], "hub")

    def test_cache_list_and_clean(self):
        self.hub.add("org/small")
        self.model("org/small")
        self.make_cache()
        out = json.loads(self.run_it("cache", "list", "--json").stdout)
        self.assertEqual([m["model"] for m in out["models"]], ["org/old", "org/small"])
        self.assertTrue(all(m["config"] and m["revision"] == "main" for m in out["models"]))
        text = self.run_it("cache").stdout
        self.assertIn("org/small  main ", text)
        self.assertIn("2 models in ", text)
        self.run_it("cache", "clean")
        self.assertEqual(json.loads(self.run_it("cache", "--json").stdout), out)

    def test_the_python_client_itself(self):
        """huggingface_hub and gpumem share files, both ways.  GPUMEM_HF_PYTHON: a Python that has it."""
        python = os.environ.get("GPUMEM_HF_PYTHON", sys.executable)
        if subprocess.run([python, "-c", "import huggingface_hub"], capture_output=True).returncode:
            self.skipTest("no huggingface_hub")
        self.hub.add("org/small")
        self.hub.add("org/two", {"config.json": CONFIG, **server.sharded(2)})
        script = ("import sys, huggingface_hub as h\n"
                  "for f in sys.argv[3:]: print(h.hf_hub_download(sys.argv[1], f, local_files_only=sys.argv[2] == 'local'))\n"
                  "assert not h.scan_cache_dir().warnings")
        env = {"HOME": self.home, "HF_ENDPOINT": self.hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "PATH": "/usr/bin:/bin"}

        def client(*args):
            subprocess.run([python, "-c", script, *args], env=env, check=True, capture_output=True)

        client("org/small", "remote", "config.json")
        self.assertEqual(self.model("org/small", "--offline")["source"], "cache")
        self.pull("org/two")
        n = len(self.hub.log)
        client("org/two", "local", "config.json", "model.safetensors.index.json")
        self.assertEqual(len(self.hub.log), n)
        client("org/two", "remote", *self.hub.repos["org/two"].files)
        self.run_it("cache", "clean")
        n = len(self.hub.log)
        self.run_it("model", "org/two", "--weights", "headers", "--offline")
        self.assertEqual(len(self.hub.log), n)

    # ---- who may read

    def test_gated(self):
        self.hub.add("org/gated", how="gated")
        words = self.model("org/gated", code=6).words
        for part in ("org/gated", "gated", f"{self.hub.url}/org/gated", "huggingface-cli login", "HF_TOKEN", "terms", "access must be requested",
                     "microsoft/phi-2", "mistralai/Mistral-7B-v0.1"):
            self.assertIn(part, words)
        self.assertIn("has no access to it yet", self.model("org/gated", code=6, HF_TOKEN="hf_x").words)

    def test_private_or_missing(self):
        self.hub.add("org/private", token="hf_secret")
        for name in ("org/private", "org/none"):
            self.assertIn("is not on the Hub, or it is private", self.model(name, code=6).words)
        self.model("org/private", HF_TOKEN="hf_secret")

    def test_token_places(self):
        self.hub.add("org/private", token="hf_secret")
        home = os.path.join(self.home, "hf")
        os.makedirs(home)
        for path in (home + "/token", home + "/elsewhere", f"{self.home}/.cache/huggingface/token"):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write(" hf_secret\r\n")
        for env in ({"HF_TOKEN": "hf_secret\n"}, {"HUGGING_FACE_HUB_TOKEN": "hf_secret"}, {"HF_TOKEN": "", "HF_HOME": home},
                    {"HF_TOKEN_PATH": "~/hf/elsewhere"}, {}):
            with self.subTest(env):
                shutil.rmtree(self.cache, ignore_errors=True)
                self.model("org/private", **env)
        self.model("org/private", code=6, HF_HUB_DISABLE_IMPLICIT_TOKEN="1", HF_HUB_CACHE=self.home + "/new")
        self.assertIn("a character that no token has", self.model("org/private", code=6, HF_TOKEN="a b").words)

    def test_stale_token(self):
        self.hub.add("org/small")
        r = self.run_it("model", "org/small", "--keys", HF_TOKEN="stale")
        self.assertIn("does not accept the token", r.words)
        self.hub.add("org/private", token="x")
        self.assertIn("is not on the Hub, or it is private", self.model("org/private", code=6, HF_TOKEN="stale").words)

    def test_token_stays_with_the_hub(self):
        self.hub.add("org/away", how="elsewhere")
        self.model("org/away", HF_TOKEN="hf_secret")
        tokens = {e["host"]: e["token"] for e in self.hub.log}
        self.assertEqual(tokens, {"hub": "Bearer hf_secret", "far": None})

    def test_token_is_never_printed(self):
        for how in ("limited-long", "gated", "loop", "forbidden", "login"):
            self.hub.add("org/" + how, how=how)
            r = self.model("org/" + how, code=6, HF_TOKEN="hf_secret")
            self.assertNotIn("hf_secret", r.stderr)

    # ---- answers that are none

    def refused(self, how, *words, requests=None, files=None):
        self.hub.log.clear()
        name = "org/" + how.replace("_", "-")
        self.hub.add(name, files, how)
        r = self.model(name, code=6)
        for w in words:
            self.assertIn(w, r.words)
        if requests:
            self.assertEqual(len(self.hub.log), requests, how)
        self.assertFalse(os.path.isdir(f"{self.cache}/models--org--{how}/snapshots"))
        return r

    def test_refusals(self):
        self.refused("disabled", "was disabled by the Hub", requests=1)
        self.refused("forbidden", "forbids to read 'org/forbidden': This token may not", requests=1)
        self.refused("limited-long", "rate limit", "290 seconds", "--offline", requests=1)
        self.refused("loop", "more than 10 redirects", requests=11)
        self.refused("nowhere", "a redirect to something that is not HTTP", requests=1)
        self.refused("login", "is not the Hub's: it names no commit", "proxy", requests=1)
        self.refused("short-length", "digest is not", requests=1)
        self.refused("wrong-etag", "digest is not", requests=1)
        self.refused("commit-trick", "names no commit", requests=1)
        self.refused("huge-length", "larger than what is read", requests=1)
        self.refused("negative-length", "no whole answer")

    def test_tries_again(self):
        for how in ("limited", "retry-after", "flaky", "reset-once", "truncated-once", "slow-once"):
            with self.subTest(how):
                self.hub.add("org/" + how, how=how)
                r = self.run_it("model", "org/" + how, "--json")
                self.assertEqual(json.loads(r.stdout)["model"]["family"], "llama")
                if how in ("limited", "retry-after"):
                    self.assertIn("note: the Hub's rate limit is reached: waiting for 1 seconds", r.words)

    def test_gives_up(self):
        self.refused("reset", "no whole answer", requests=3)
        self.refused("truncated", "no whole answer", requests=3)
        self.refused("silent", "no whole answer", "Timeout", requests=3)

    def test_etag_that_is_a_path(self):
        self.hub.add("org/trick", how="etag-trick")
        self.assertEqual(self.model("org/trick")["source"], "hub")
        found = [os.path.join(d, f) for d, _, files in os.walk(self.home) for f in files]
        self.assertFalse([f for f in found if "trick" in os.path.basename(f)], found)

    def test_renamed(self):
        self.hub.add("org/new", old_name="org/old")
        r = self.run_it("model", "org/old", "--json")
        self.assertIn("has another name on the Hub now: org/new", r.words)

    def test_what_there_is_instead(self):
        self.hub.add("org/gguf", {"a.gguf": b"GGUF", "b.gguf": b"GGUF"}, tags=["base_model:org/base", "base_model:quantized:org/base"])
        words = self.model("org/gguf", code=6).words
        self.assertIn("it has GGUF files", words)
        self.assertIn("it was made from org/base", words)
        self.hub.add("org/pipe", {"model_index.json": b"{}"})
        self.assertIn("Diffusers pipeline", self.model("org/pipe", code=6).words)
        self.hub.add("org/lora", {"adapter_config.json": b"{}"})
        self.assertIn("an adapter", self.model("org/lora", code=6).words)

    # ---- without the hub

    def test_cached_copy_will_do(self):
        r = self.hub.add("org/small")
        self.model("org/small")
        for how in ("down", "reset", "silent", "limited-long"):
            r.how, r.count = how, 0
            out = self.run_it("model", "org/small", "--json")
            self.assertEqual(json.loads(out.stdout)["model"]["source"], "cache")
            self.assertIn("is what the cache had of it", out.words)
        self.assertIn("cache", self.model("org/small", HF_ENDPOINT="http://127.0.0.1:1")["source"] + "cache")
        r.how = "gated"
        self.model("org/small", code=6)

    def test_nobody_there(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        words = self.model("org/small", code=6, HF_ENDPOINT=f"http://127.0.0.1:{port}").words
        self.assertIn("cannot be reached", words)
        self.assertIn("HTTPS_PROXY", words)

    def test_offline(self):
        self.hub.add("org/small")
        for args, env, why in ((["--offline"], {}, "--offline"), ([], {"HF_HUB_OFFLINE": "ON"}, "HF_HUB_OFFLINE"), ([], {"TRANSFORMERS_OFFLINE": "yes"}, "TRANSFORMERS_OFFLINE")):
            self.assertIn(f"({why})", self.model("org/small", *args, code=6, **env).words)
        self.assertEqual(self.hub.log, [])
        self.model("org/small", HF_HUB_OFFLINE="0", TRANSFORMERS_OFFLINE="1")

    def test_proxy(self):
        """HTTP_PROXY in large letters, which libcurl does not read; NO_PROXY holds."""
        self.hub.add("org/small", how="direct")
        self.model("org/small", HF_ENDPOINT="http://hub.invalid", HTTP_PROXY=self.hub.url)
        self.assertEqual(self.hub.proxied, ["http://hub.invalid/org/small/resolve/main/config.json"])
        self.model("org/small", HF_HUB_CACHE=self.home + "/new", HTTP_PROXY="http://127.0.0.1:1", NO_PROXY="127.0.0.1")

    def test_certificates(self):
        """A hub with a certificate of its own; and no way back from https to http."""
        import ssl
        pem = os.path.join(self.home, "pem")
        if not shutil.which("openssl") or subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                 "-keyout", pem + ".key", "-out", pem], capture_output=True).returncode:
            self.skipTest("no openssl to make a certificate")
        self.hub.add("org/small", how="direct")
        self.hub.add("org/away", how="elsewhere")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, pem + ".key")
        near = self.hub.servers[0]
        near.socket = context.wrap_socket(near.socket, server_side=True)
        url = self.hub.url.replace("http:", "https:")
        self.assertIn("cannot be reached", self.model("org/small", code=6, HF_ENDPOINT=url).words)
        for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
            shutil.rmtree(self.cache, ignore_errors=True)
            self.model("org/small", HF_ENDPOINT=url, **{name: pem})
        self.assertIn("a redirect from https to http", self.model("org/away", code=6, HF_ENDPOINT=url, SSL_CERT_FILE=pem).words)

    def test_errors_of_the_server(self):
        self.refused("down", "answers 500: boom", requests=6)

    def test_bad_endpoint(self):
        self.assertIn("is not a URL", self.model("org/small", code=6, HF_ENDPOINT="not a url").words)

    # ---- pull: headers by ranges

    def pull(self, name, code=0, **env):
        r = self.run_it("pull", name, "--json", code=code, **env)
        return r if code else {f["file"]: f for f in json.loads(r.stdout)["files"]}

    def sent(self, file):
        return sum(e["sent"] for e in self.hub.log if e["host"] == "far" and e["path"].endswith(file))

    def test_pull_one_file(self):
        """A large file: 100 001 bytes of it, and none twice."""
        data = server.safetensors({**server.llama_tensors(), "big": ("BF16", [500000], 1000000)})
        self.hub.add("org/one", {"config.json": CONFIG, "model.safetensors": data})
        files = self.pull("org/one")
        self.assertEqual(set(files), {"config.json", "model.safetensors"})
        f = files["model.safetensors"]
        self.assertEqual((f["size"], f["kept"], f["fetched"], f["header"]), (len(data), 100001, 100001, True))
        self.assertEqual(self.sent("model.safetensors"), 100001)
        again = self.pull("org/one")
        self.assertEqual(again["model.safetensors"]["fetched"], 0)
        self.assertEqual(self.sent("model.safetensors"), 100001)
        self.assertEqual([f for f in os.listdir(f"{self.cache}/models--org--one/blobs") if os.path.getsize(f"{self.cache}/models--org--one/blobs/{f}") > 5000], [])
        self.assertTrue(all(f["fetched"] == 0 for f in self.pull("org/one", HF_HUB_OFFLINE="1").values()))
        listed = json.loads(self.run_it("cache", "--json").stdout)["models"][0]
        self.assertEqual(listed["headers"], 1)
        self.assertGreater(listed["header_bytes"], 100001)
        self.run_it("cache", "clean", "org/one")
        self.assertEqual(json.loads(self.run_it("cache", "--json").stdout)["models"][0]["headers"], 0)

    def test_pull_long_header(self):
        """More than the guess: the rest, and nothing else, in a second request."""
        for pad in (99990, 99993, 99994, 100001, 3000000):
            with self.subTest(pad):
                data = server.safetensors(server.llama_tensors(), pad, 200000)
                data = data[:8 + int.from_bytes(data[:8], "little")] + b"\0" * sum(t[2] for t in server.llama_tensors().values())
                name = f"org/long-{pad}"
                self.hub.add(name, {"config.json": CONFIG, "model.safetensors": data})
                self.hub.log.clear()
                f = self.pull(name)["model.safetensors"]
                header = 8 + int.from_bytes(data[:8], "little")
                self.assertEqual(f["kept"], max(header, min(100001, len(data))))
                self.assertEqual(f["fetched"], f["kept"])

    def test_pull_shards(self):
        self.hub.add("org/many", {"config.json": CONFIG, **server.sharded(12)})
        files = self.pull("org/many")
        self.assertEqual(len([f for f in files if f.endswith(".safetensors")]), 12)
        self.assertIn("model.safetensors.index.json", files)
        ranges = [e["range"] for e in self.hub.log if e["host"] == "far" and e["path"].endswith(".safetensors")]
        self.assertEqual(ranges, ["bytes=0-100000"] * 12)

    def test_pull_token_stays(self):
        self.hub.add("org/many", {"config.json": CONFIG, **server.sharded(3)}, token="hf_secret")
        self.pull("org/many", HF_TOKEN="hf_secret")
        self.assertEqual({e["token"] for e in self.hub.log if e["host"] == "far"}, {None})

    def test_server_without_ranges(self):
        data = server.safetensors(server.llama_tensors()) + b""
        big = server.safetensors({**server.llama_tensors(), "big": ("BF16", [20000000], 40000000)})
        self.hub.add("org/noranges", {"config.json": CONFIG, "model.safetensors": big}, "no-range")
        f = self.pull("org/noranges")["model.safetensors"]
        self.assertEqual((f["size"], f["kept"]), (len(big), 100001))
        self.assertLess(f["fetched"], 1 << 20)
        self.hub.add("org/small", {"config.json": CONFIG, "model.safetensors": data}, "no-range")
        self.assertEqual(self.pull("org/small")["model.safetensors"]["kept"], min(100001, len(data)))

    def test_wrong_range(self):
        self.hub.add("org/wrong", {"config.json": CONFIG, **server.sharded(1)}, "wrong-range")
        self.assertIn("another range", self.pull("org/wrong", code=6).words)

    def test_header_lengths(self):
        for n in (0, 1, 2**63, 2**64 - 1, 100000001, 2**40):
            with self.subTest(n):
                name = f"org/length-{n}"
                self.hub.add(name, {"config.json": CONFIG, "model.safetensors": n.to_bytes(8, "little") + b"{" * 300000})
                self.hub.log.clear()
                self.pull(name, code=3)
                self.assertLessEqual(self.sent("model.safetensors"), 100001)

    def test_empty_weights(self):
        self.hub.add("org/empty", {"config.json": CONFIG, "model.safetensors": b""})
        self.pull("org/empty", code=3)

    def test_path_tricks(self):
        for trick in ("../../../trick.safetensors", "/tmp/trick.safetensors", "a/../../trick.safetensors", "C:\\trick.safetensors", "http://x/trick.safetensors", "..\\trick.safetensors"):
            with self.subTest(trick):
                index = json.dumps({"weight_map": {"w": trick}}).encode()
                self.hub.add("org/trick", {"config.json": CONFIG, "model.safetensors.index.json": index})
                self.run_it("pull", "org/trick", code=3)
                self.hub.repos.clear()
                shutil.rmtree(os.path.join(self.home, ".cache"))
        found = [os.path.join(d, f) for d, _, files in os.walk(self.home) for f in files if "trick" in f]
        self.assertEqual(found, [])
        self.assertFalse([p for p in self.paths() if "trick.safetensors" in p])

    def test_changed_while_reading(self):
        """Of another commit than the first answer: refused, not mixed."""
        self.hub.add("org/moving", {"config.json": CONFIG, **server.sharded(2)}, "moving")
        self.assertIn("the server answers with " + "0" * 40, self.pull("org/moving", code=6).words)

    def test_changed_in_between(self):
        """A new commit: its config and its weights."""
        r = self.hub.add("org/new", {"config.json": CONFIG, **server.sharded(2)})
        self.pull("org/new")
        wide = dict(server.CONFIG, hidden_size=32)
        r.set({"config.json": json.dumps(wide).encode(), **server.sharded(2, server.llama_tensors(wide))})
        self.assertGreater(self.pull("org/new")["model-00001-of-00002.safetensors"]["fetched"], 0)
        self.assertEqual(self.model("org/new", "--weights", "headers")["weights"]["parameters"], sum(t[2] for t in server.llama_tensors(wide).values()) // 2)

    def test_pull_of_no_weights(self):
        self.hub.add("org/small")
        r = self.run_it("pull", "org/small")
        self.assertIn("config.json", r.stdout)
        self.assertIn("note: no headers were read", r.words)
        self.assertIn("is not a name of the Hub", self.run_it("pull", "a/b/c", code=6).words)

    def test_local_weights_are_read_there(self):
        data = server.safetensors(server.llama_tensors())
        self.make_cache(files={"config.json": CONFIG, "model.safetensors": data})
        f = self.pull("org/old", HF_HUB_OFFLINE="1")["model.safetensors"]
        self.assertEqual((f["fetched"], f["size"]), (0, len(data)))
        self.assertEqual(self.hub.log, [])

    def test_kept_bytes_that_are_damaged(self):
        self.hub.add("org/one", {"config.json": CONFIG, **server.sharded(1)})
        self.pull("org/one")
        path = [os.path.join(d, f) for d, _, files in os.walk(self.own) for f in files][0]
        for damage in (b"", b"GMBYTES1", os.urandom(500), b"GMBYTES1" + b"\xff" * 40):
            with open(path, "wb") as f:
                f.write(damage)
            self.assertGreater(sum(f["fetched"] for f in self.pull("org/one").values()), 0)
            self.assertEqual(sum(f["fetched"] for f in self.pull("org/one").values()), 0)

    # ---- weights of the hub

    def test_headers(self):
        self.hub.add("org/many", {"config.json": CONFIG, **server.sharded(3)})
        out = json.loads(self.run_it("model", "org/many", "--weights", "headers", "--json").stdout)
        total = sum(t[2] for t in server.llama_tensors().values())
        self.assertEqual(out["model"]["weights"]["stored_bytes"], total)
        requests = len(self.hub.log)
        self.assertEqual(len([e for e in self.hub.log if e["path"].endswith("/config.json")]), 2)  # and its redirect
        again = json.loads(self.run_it("model", "org/many", "--weights", "headers", "--json").stdout)
        self.assertEqual(again, out)
        self.assertEqual(len(self.hub.log), requests + 1)  # is it still the same commit?
        self.assertEqual(json.loads(self.run_it("model", "org/many", "--weights", "headers", "--json", "--offline").stdout), out)

    def test_compare(self):
        self.hub.add("org/same", {"config.json": CONFIG, **server.sharded(2)})
        self.run_it("model", "org/same", "--compare")
        self.hub.add("org/other", {"config.json": CONFIG, **server.sharded(2, {**server.llama_tensors(), "odd": ("BF16", [8], 16)})})
        r = self.run_it("model", "org/other", "--compare", code=None)
        self.assertEqual(r.returncode, 1)
        self.assertIn("odd", r.stdout)

    def test_unknown_family(self):
        config = json.dumps(dict(server.CONFIG, model_type="nobody_knows")).encode()
        self.hub.add("org/unknown", {"config.json": config, **server.sharded(1)})
        r = self.run_it("model", "org/unknown")
        self.assertIn("only the weights are counted", r.words)

    def test_load_full_model(self):
        self.hub.add("org/many", {"config.json": CONFIG, **server.sharded(3)})
        r = self.run_it("--model", "org/many", "--load-full-model", program=os.path.join(os.path.dirname(GPUMEM), "gpu_memory_calculator"))
        self.assertIn("Counted 100,000 parameters from the model's weights".replace("100,000", f"{sum(t[2] for t in server.llama_tensors().values()) // 2:,}"), r.stdout)

    def test_gguf(self):
        """Its header is as long as its vocabulary: ranges grow until it is whole, and no byte comes twice."""
        total = sum(t[2] for t in server.llama_tensors().values())
        for words in (0, 200000):
            with self.subTest(words):
                data = server.gguf(words=words) + b"\0" * 500000
                name = f"org/gguf-{words}"
                self.hub.add(name, {"small.gguf": data})
                self.hub.log.clear()
                out = json.loads(self.run_it("model", name, "--weights", "headers", "--json").stdout)["model"]
                self.assertEqual(out["weights"]["stored_bytes"], total)
                self.assertEqual(out["weights"]["parameters"], total // 2)
                self.assertLess(self.sent("small.gguf"), len(data))
                ranges = [tuple(map(int, e["range"][6:].split("-"))) for e in self.hub.log if e["host"] == "far" and e["range"]]
                for one, next_one in zip(ranges, ranges[1:]):
                    self.assertGreater(next_one[0], one[1])
                self.assertEqual(len(ranges) > 1, words > 0)
                self.assertEqual(len([p for p in self.paths() if p.startswith("/api/models/")]), 1)

    def test_gguf_says_what_it_is(self):
        """Without a config.json the metadata of the only GGUF model is the config; of several one has to be named."""
        parts = {"sub/m-00001-of-00002.gguf": server.gguf(), "mmproj-m.gguf": b"no model"}
        self.hub.add("org/lone", parts)
        out = json.loads(self.run_it("infer", "org/lone", "--json").stdout)
        self.assertEqual(out["model"]["parameters"], sum(t[2] for t in server.llama_tensors().values()) // 2)
        self.hub.add("org/several", {"m-q4.gguf": server.gguf(), "m-q8.gguf": server.gguf()})
        said = self.model("org/several", code=6).words
        self.assertIn("it has GGUF files", said)
        self.assertIn(f"name one of them: {self.hub.url}/org/several/resolve/main/m-q4.gguf", said)
        self.run_it("model", f"{self.hub.url}/org/several/resolve/main/m-q4.gguf")
        self.model("org/lone", "--weights", "config", code=6)

    def test_pipeline(self):
        """The components of a Diffusers repository, which has no config.json of its own."""
        tensors = {"w": ("F16", [10, 20], 400)}
        index = {"_class_name": "Pipe", "unet": ["diffusers", "UNet"], "text_encoder": ["transformers", "CLIPTextModel"], "scheduler": ["diffusers", "S"]}
        self.hub.add("org/pipe", {"model_index.json": json.dumps(index).encode(),
                                  "unet/diffusion_pytorch_model.safetensors": server.safetensors(tensors),
                                  "text_encoder/model.safetensors": server.safetensors(tensors)})
        out = json.loads(self.run_it("model", "org/pipe", "--weights", "headers", "--json").stdout)["model"]["weights"]
        self.assertEqual((out["files"], out["parameters"], out["stored_bytes"]), (2, 400, 800))

    def test_bin(self):
        """Pickles are not read: the index says the bytes, or the files' sizes do."""
        total = sum(t[2] for t in server.llama_tensors().values())
        names = [f"pytorch_model-{n:05d}-of-00002.bin" for n in (1, 2)]
        index = json.dumps({"metadata": {"total_size": total}, "weight_map": {t: names[n % 2] for n, t in enumerate(server.llama_tensors())}})
        config = json.dumps(dict(server.CONFIG, dtype="bfloat16")).encode()
        self.hub.add("org/bin", {"config.json": config, "pytorch_model.bin.index.json": index.encode(), **{n: b"\x80\x02" * 20000 for n in names}})
        self.hub.add("org/onebin", {"config.json": config, "pytorch_model.bin": b"\x80\x02" * 50000})
        out = json.loads(self.run_it("model", "org/bin", "--weights", "headers", "--json").stdout)["model"]["weights"]
        self.assertEqual((out["stored_bytes"], out["parameters"]), (total, total // 2))
        out = json.loads(self.run_it("model", "org/onebin", "--weights", "headers", "--json").stdout)["model"]["weights"]
        self.assertEqual((out["stored_bytes"], out["parameters"]), (100000, 50000))
        self.assertEqual(self.sent(".bin"), 100000)  # once, to see what form it has

    # ---- what real repositories' headers amount to: tests/unit/test_weights.c has them tensor by tensor

    def golden(self, name, expected, tensors, quantised=None, folder="", shards=1, parameters=None, stored=None, **keys):
        """tensors: (name, dtype, elements in the file)"""
        size = {"F32": 4, "I32": 4, "I64": 8, "BF16": 2, "F16": 2}
        header = {t: (dtype, [n], n * size.get(dtype, 1)) for t, dtype, n in tensors}
        config = dict(server.CONFIG, **keys, **({"quantization_config": quantised} if quantised else {}))
        files = {folder + "config.json": json.dumps(config).encode()}
        for s in range(shards):
            part = dict(list(header.items())[s::shards])
            files[f"{folder}model-{s}.safetensors" if shards > 1 else f"{folder}model.safetensors"] = server.safetensors(part, fill="sparse")
        if shards > 1:
            files[folder + "model.safetensors.index.json"] = json.dumps({"weight_map": {t: f"model-{n % shards}.safetensors" for n, t in enumerate(header)}}).encode()
        self.hub.add(name, files)
        self.hub.log.clear()
        at = f"{self.hub.url}/{name}/tree/main/{folder.rstrip('/')}" if folder else name
        w = json.loads(self.run_it("model", at, "--weights", "headers", "--json").stdout)["model"]["weights"]
        self.assertEqual({d["dtype"]: d["parameters"] for d in w["dtypes"] if d["parameters"]}, expected)
        self.assertEqual(w["parameters"], parameters or sum(expected.values()))
        self.assertEqual(w["files"], shards)
        if stored:
            self.assertEqual(w["stored_bytes"], stored)
        self.assertLessEqual(sum(e["sent"] for e in self.hub.log if e["host"] == "far" and e["range"]), shards * 100001)

    def test_golden(self):
        w4a16 = {"quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["lm_head"],
                 "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 128}}}}
        mxfp4 = {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}
        bnb = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
        k3 = {"quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized", "config_groups": {
            "group_0": {"format": "mxfp4-pack-quantized", "targets": ["Linear"], "weights": {"num_bits": 4, "scale_dtype": "torch.uint8"}}}}
        self.golden("google-bert/bert-base-uncased", {"F32": 110106428}, [("w", "F32", 110106428)])
        self.golden("org/roberta-base", {"F32": 124697433, "I64": 514}, [("w", "F32", 124697433), ("position_ids", "I64", 514)])
        self.golden("bigscience/bloom", {"BF16": 176247271424}, [(f"w{n}", "BF16", 176247271424 // 72 + (n < 176247271424 % 72)) for n in range(72)], shards=72)
        self.golden("CompVis/stable-diffusion-v1-4", {"F32": 859520964}, [("w", "F32", 859520964)], folder="unet/")
        self.golden("Qwen/Qwen-Image", {"BF16": 20430401088}, [("w", "BF16", 20430401088)], folder="transformer/")
        self.golden("RedHatAI/8B-w4a16", {"I32": 6979321856, "F16": 1052315648}, [
            ("l.weight_packed", "I32", 6979321856 // 8), ("l.weight_scale", "F16", 6979321856 // 128), ("l.weight_shape", "I64", 2),
            ("rest", "F16", 1052315648)], w4a16, parameters=8031637504)
        self.golden("RedHatAI/70B-w4a16", {"I32": 68451041280, "BF16": 2102665216}, [
            ("l.weight_packed", "I32", 68451041280 // 8), ("l.weight_scale", "BF16", 68451041280 // 128), ("rest", "BF16", 2102665216)],
            w4a16, parameters=70553706496)
        self.golden("unsloth/8B-bnb-4bit", {"U8": 6979321856, "BF16": 1050939392}, [
            ("l.weight", "U8", 3489660928), ("l.weight.absmax", "U8", 109051904), ("l.weight.nested_absmax", "F32", 425984),
            ("l.weight.nested_quant_map", "F32", 57344), ("l.weight.quant_map", "F32", 3584), ("l.weight.quant_state.bitsandbytes__nf4", "U8", 38687),
            ("rest", "BF16", 1050939392)], bnb, parameters=8030261248, stored=3489660928 + 109051904 + 4 * (425984 + 57344 + 3584) + 38687 + 2 * 1050939392)
        for name, u8, bf16, total, stored in (("openai/gpt-oss-20b", 19110297600, 1804459584, 20914757184, 13761264768),
                                              ("openai/gpt-oss-120b", 114661785600, 2167371072, 116829156672, 65248815744)):
            self.golden(name, {"U8": u8, "BF16": bf16}, [("e.gate_up_proj_blocks", "U8", u8 // 2), ("e.gate_up_proj_scales", "U8", u8 // 32),
                                                         ("rest", "BF16", bf16)], mxfp4, parameters=total, stored=stored)
        self.golden("moonshotai/Kimi-K2.5", {"F32": 23040, "I32": 1014686023680, "BF16": 12193329648}, [
            ("e.weight_packed", "I32", 1014686023680 // 8), ("e.weight_scale", "BF16", 1014686023680 // 32), ("e.weight_shape", "I32", 2),
            ("rest", "BF16", 12193329648), ("bias", "F32", 23040)], w4a16)
        self.golden("moonshotai/Kimi-K3", {"U8": 2722740830208, "BF16": 57179884544, "F32": 11122432}, [
            ("e.weight_packed", "U8", 2722740830208 // 2), ("e.weight_scale", "U8", 2722740830208 // 32), ("rest", "BF16", 57179884544),
            ("more", "F32", 11122432)], k3)
        self.golden("deepseek-ai/DeepSeek-V4-Pro", {"I8": 1572763336704, "F8_E4M3": 23169335296, "BF16": 2816899328, "F32": 87776414, "I64": 2327040}, [
            ("layers.0.ffn.experts.0.w1.weight", "I8", 1572763336704 // 2), ("layers.0.ffn.experts.0.w1.scale", "F8_E8M0", 1572763336704 // 32),
            ("rest", "F8_E4M3", 23169335296), ("layers.0.attn.wq.scale", "F8_E8M0", 23169335296 // 16384), ("more", "BF16", 2816899328),
            ("gates", "F32", 87776414), ("layers.0.ffn.gate.tid2eid", "I64", 2327040)],
            {"quant_method": "fp8", "scale_fmt": "ue8m0", "weight_block_size": [128, 128]}, expert_dtype="fp4")

    # ---- a terminal

    def test_progress_line(self):
        import pty
        self.hub.add("org/slow")
        for delay, terminal in ((0.4, True), (0.0, False)):
            self.hub.delay = delay
            shutil.rmtree(self.cache, ignore_errors=True)
            main, sub = pty.openpty()
            p = subprocess.Popen([GPUMEM, "model", "org/slow", "--json"], stdout=subprocess.PIPE, stderr=sub,
                                 env={"HOME": self.home, "TERM": "xterm", "HF_ENDPOINT": self.hub.url})
            p.communicate(timeout=60)
            os.close(sub)
            said = b""
            try:
                while True:
                    part = os.read(main, 4096)
                    if not part:
                        break
                    said += part
            except OSError:
                pass
            os.close(main)
            self.assertEqual(b"fetching config.json" in said, terminal, said)
            if terminal:
                self.assertTrue(said.endswith(b"\r\033[K"), said)


if __name__ == "__main__":
    GPUMEM = sys.argv.pop(1)
    if not (ctypes.util.find_library("curl") or ctypes.util.find_library("curl-gnutls")):
        print("skipped: libcurl is not installed")
        sys.exit(77)
    unittest.main(verbosity=1)
