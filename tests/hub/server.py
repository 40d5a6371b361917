"""A hub on the loopback interface, and a second host beside it where large files lie; both misbehave where a repository's name says so.

Repositories are made in Hub.__init__ or by add(); what every request was is in Hub.log.  As a program it prints its address and runs until
its standard input ends: server.py [DELAY_MS] [SHARDS]
"""
import hashlib
import http.server
import json
import socket
import socketserver
import struct
import sys
import threading
import time
import urllib.parse

CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 128,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100,
    "max_position_embeddings": 256, "tie_word_embeddings": False,
}
SMALL = 10 << 10  # bytes; larger files lie on the second host


class Sparse:
    """A file of any size of which only the first bytes are not zero."""
    def __init__(self, head, size):
        self.head, self.size = head, size

    def __len__(self):
        return self.size

    def __getitem__(self, part):
        first, last, _ = part.indices(self.size)
        some = self.head[first:last]
        return some + b"\0" * (max(last - first, 0) - len(some))


def git_id(data):
    data = data.head if isinstance(data, Sparse) else data
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def safetensors(tensors, pad=0, fill=None):
    """tensors: name -> (dtype, shape, bytes); pad: spaces behind the header; fill: bytes that are really there"""
    header, at = {}, 0
    for name, (dtype, shape, n) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(header).encode() + b" " * pad
    if fill == "sparse":
        return Sparse(struct.pack("<Q", len(text)) + text, 8 + len(text) + at)
    return struct.pack("<Q", len(text)) + text + b"\0" * (at if fill is None else fill)


def llama_tensors(c=CONFIG, dtype="BF16"):
    h, i, v = c["hidden_size"], c["intermediate_size"], c["vocab_size"]
    kv = h // c["num_attention_heads"] * c["num_key_value_heads"]
    shapes = {"model.embed_tokens.weight": [v, h]}
    for n in range(c["num_hidden_layers"]):
        p = f"model.layers.{n}."
        shapes.update({p + "self_attn.q_proj.weight": [h, h], p + "self_attn.k_proj.weight": [kv, h],
                       p + "self_attn.v_proj.weight": [kv, h], p + "self_attn.o_proj.weight": [h, h],
                       p + "mlp.gate_proj.weight": [i, h], p + "mlp.up_proj.weight": [i, h], p + "mlp.down_proj.weight": [h, i],
                       p + "input_layernorm.weight": [h], p + "post_attention_layernorm.weight": [h]})
    shapes.update({"model.norm.weight": [h], "lm_head.weight": [v, h]})
    size = {"BF16": 2, "F32": 4}[dtype]
    out = {}
    for name, shape in shapes.items():
        n = size
        for d in shape:
            n *= d
        out[name] = (dtype, shape, n)
    return out


def sharded(count, tensors=None, pad=0):
    """Files of a model in so many shards."""
    tensors = list((tensors or llama_tensors()).items())
    files, weights = {}, {}
    for s in range(count):
        name = f"model-{s + 1:05d}-of-{count:05d}.safetensors"
        part = dict(tensors[s::count]) or {f"extra.{s}": ("BF16", [64], 128)}
        files[name] = safetensors(part, pad)
        weights.update({t: name for t in part})
    total = sum(t[2] for t in dict(tensors).values())
    files["model.safetensors.index.json"] = json.dumps({"metadata": {"total_size": total}, "weight_map": weights}).encode()
    return files


def gguf(config=CONFIG, words=0):
    """A GGUF file of a llama in F16, with a vocabulary of so many words in its metadata."""
    def text(s):
        return struct.pack("<Q", len(s.encode())) + s.encode()

    def u32(key, n):
        return text(key) + struct.pack("<II", 4, n)
    meta = [text("general.architecture") + struct.pack("<I", 8) + text("llama"), u32("general.alignment", 32),
            u32("llama.block_count", config["num_hidden_layers"]), u32("llama.context_length", config["max_position_embeddings"]),
            u32("llama.embedding_length", config["hidden_size"]), u32("llama.feed_forward_length", config["intermediate_size"]),
            u32("llama.attention.head_count", config["num_attention_heads"]),
            u32("llama.attention.head_count_kv", config["num_key_value_heads"]), u32("llama.vocab_size", config["vocab_size"])]
    if words:
        meta.append(text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, words) + b"".join(text(f"word-{n:06d}") for n in range(words)))
    infos, at = b"", 0
    for name, (_, shape, n) in llama_tensors(config).items():
        infos += text("output.weight" if name == "lm_head.weight" else name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", d) for d in reversed(shape)) + struct.pack("<IQ", 1, at)
        at += -(-n // 32) * 32
    head = b"GGUF" + struct.pack("<IQQ", 3, len(llama_tensors(config)), len(meta)) + b"".join(meta) + infos
    return head + b"\0" * (-len(head) % 32 + at)


class Repo:
    def __init__(self, name, files=None, how=None, token=None, old_name=None, tags=()):
        self.name, self.how, self.token, self.old_name, self.tags = name, how, token, old_name, list(tags)
        self.files = {}
        self.count = 0  # requests for a file
        self.commit = None
        self.set({"config.json": json.dumps(CONFIG).encode()} if files is None else files)

    def set(self, files):
        self.files = files
        self.commit = hashlib.sha1((self.name + "".join(sorted(git_id(d) for d in files.values()))).encode()).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "TestHub"

    def log_message(self, *a):
        pass

    # ---- answers

    def answer(self, status, headers=(), body=b"", length=None):
        self.send_response(status)
        for k, v in dict(headers).items():
            self.send_header(k, str(v))
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.write(body)

    def write(self, body):
        self.entry["sent"] += len(body)
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def error(self, status, code=None, message=None, headers=()):
        h = dict(headers)
        if code:
            h["X-Error-Code"] = code
        if message:
            h["X-Error-Message"] = message
        h["X-Request-Id"] = "Root=1-test"
        self.answer(status, h, json.dumps({"error": message or code or "no"}).encode())

    def reset(self):
        """Ends the connection as a crash does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def range_of(self, data):
        value = self.headers.get("Range")
        if not value or not value.startswith("bytes="):
            return None
        a, _, b = value[6:].partition("-")
        return int(a), min(int(b), len(data) - 1)

    def send_file(self, data, headers, how=None):
        r = None if how == "no-range" else self.range_of(data)
        h = dict(headers)
        h["Accept-Ranges"] = "bytes"
        if r is None:
            if how == "no-range-no-length":
                r = None
            return self.answer(200, h, data)
        first, last = r
        if first >= len(data):
            return self.answer(416, dict(h, **{"Content-Range": f"bytes */{len(data)}"}))
        if how == "wrong-range":
            h["Content-Range"] = f"bytes {first + 1}-{last + 1}/{len(data)}"
        else:
            h["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return self.answer(206, h, data[first:last + 1])

    # ---- requests

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        hub = self.server.hub
        path, _, query = self.path.partition("?")
        self.entry = {"host": self.server.role, "path": urllib.parse.unquote(path), "method": self.command, "range": self.headers.get("Range"),
                      "token": self.headers.get("Authorization"), "encoding": self.headers.get("Accept-Encoding"), "sent": 0,
                      "agent": self.headers.get("User-Agent")}
        with hub.lock:
            hub.log.append(self.entry)
        if hub.delay:
            time.sleep(hub.delay)
        if self.path.startswith("http://"):  # as a proxy
            hub.proxied.append(self.path)
            self.path = "/" + self.path.split("/", 3)[3]
            path = self.path.partition("?")[0]
        if self.server.role == "far":
            return self.far(path)
        parts = [urllib.parse.unquote(p) for p in path.strip("/").split("/")]
        if parts[:2] == ["api", "models"]:
            return self.info("/".join(parts[2:parts.index("revision")]))
        if parts[:2] == ["api", "resolve-cache"]:
            at = next(i for i, p in enumerate(parts) if len(p) == 40)
            data = hub.find("/".join(parts[3:at])).files["/".join(parts[at + 1:])]
            return self.send_file(data, {"ETag": f'"{git_id(data)}"', "X-Repo-Commit": parts[at]})
        if "resolve" not in parts:
            return self.error(404)
        at = parts.index("resolve")
        return self.resolve("/".join(parts[:at]), parts[at + 1], "/".join(parts[at + 2:]))

    def far(self, path):
        """Signed addresses: whoever sends a token here leaked it."""
        hub = self.server.hub
        name, _, file = path.strip("/").partition("::")
        repo = hub.find(urllib.parse.unquote(name))
        self.send_file(repo.files[urllib.parse.unquote(file)], {"ETag": '"far-etag"'}, repo.how)

    def info(self, name):
        repo = self.server.hub.find(name)
        if not repo:
            return self.error(401, "RepoNotFound", "Repository not found")
        return self.answer(200, {"Content-Type": "application/json"}, json.dumps(
            {"id": repo.name, "sha": repo.commit, "tags": repo.tags, "siblings": [{"rfilename": f} for f in repo.files]}).encode())

    def resolve(self, name, revision, file):
        hub = self.server.hub
        repo = hub.find(name)
        token = self.headers.get("Authorization")
        if token and token == "Bearer stale":
            return self.error(401, None, "Invalid credentials in Authorization header")
        for r in hub.repos.values():
            if r.old_name == name:
                return self.answer(307, {"Location": f"/{r.name}/resolve/{revision}/{file}"})
        if not repo:
            return self.error(401, "RepoNotFound", "Repository not found")
        repo.count += 1
        if repo.token and token != f"Bearer {repo.token}":
            return self.error(401, "RepoNotFound", "Repository not found")
        if revision not in ("main", repo.commit, "refs/pr/1"):
            return self.error(404, "RevisionNotFound", "Invalid rev id: " + revision)
        how = getattr(self, "how_" + (repo.how or "well").replace("-", "_"), None)
        if how and how(repo, file):
            return None
        if file not in repo.files:
            return self.error(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": repo.commit})
        return self.hand_out(repo, file)

    def hand_out(self, repo, file, extra=()):
        data = repo.files[file]
        h = {"X-Repo-Commit": repo.commit, "Accept-Ranges": "bytes", **dict(extra)}
        if len(data) >= SMALL or file.endswith((".safetensors", ".gguf", ".bin")):
            h["X-Linked-Etag"] = f'"{hashlib.sha256(data.head if isinstance(data, Sparse) else data).hexdigest()}"'
            h["X-Linked-Size"] = len(data)
            h["Location"] = f"http://127.0.0.1:{self.server.hub.far_port}/{urllib.parse.quote(repo.name, safe='')}::{urllib.parse.quote(file, safe='')}?signature=a%2Fb"
            return self.answer(302, h, b"Found. Redirecting")
        if repo.how == "direct":
            return self.send_file(data, dict(h, ETag=f'"{git_id(data)}"'))
        h["ETag"] = f'"{git_id(data)}"'
        h["Location"] = f"/api/resolve-cache/models/{repo.name}/{repo.commit}/{file}?etag=%22{git_id(data)}%22"
        return self.answer(307, h, b"Temporary Redirect")

    # ---- ways to misbehave: true where there is nothing more to be said

    def how_gated(self, repo, file):
        self.error(403 if self.headers.get("Authorization") else 401, "GatedRepo",
                   f"Access to model {repo.name} is restricted and you are not in the authorized list.")
        return True

    def how_disabled(self, repo, file):
        self.error(403, None, "Access to this resource is disabled.")
        return True

    def how_forbidden(self, repo, file):
        self.error(403, None, "This token may not")
        return True

    def how_limited(self, repo, file):
        if repo.count > 1:
            return False
        self.error(429, None, None, {"RateLimit": '"resolvers";r=0;t=0'})
        return True

    def how_retry_after(self, repo, file):
        if repo.count > 1:
            return False
        self.error(429, None, None, {"Retry-After": "0"})
        return True

    def how_limited_long(self, repo, file):
        self.error(429, None, None, {"RateLimit": '"resolvers";r=0;t=290', "Retry-After": "290"})
        return True

    def how_flaky(self, repo, file):
        if repo.count > 2:
            return False
        self.error((500, 503)[repo.count % 2])
        return True

    def how_down(self, repo, file):
        self.error(500, None, "boom")
        return True

    def how_silent(self, repo, file):
        self.server.hub.stop.wait(30)
        self.close_connection = True
        return True

    def how_slow_once(self, repo, file):
        if repo.count > 1:
            return False
        return self.how_silent(repo, file)

    def how_truncated(self, repo, file):
        data = repo.files[file]
        self.answer(200, {"X-Repo-Commit": repo.commit, "ETag": f'"{git_id(data)}"'}, data[:len(data) // 2], length=len(data))
        self.close_connection = True
        return True

    def how_truncated_once(self, repo, file):
        return repo.count == 1 and self.how_truncated(repo, file)

    def how_short_length(self, repo, file):
        data = repo.files[file]
        self.answer(200, {"X-Repo-Commit": repo.commit, "ETag": f'"{git_id(data)}"'}, data, length=len(data) - 7)
        self.close_connection = True
        return True

    def how_negative_length(self, repo, file):
        self.answer(200, {"X-Repo-Commit": repo.commit, "ETag": '"e"'}, b"{}", length=-5)
        self.close_connection = True
        return True

    def how_huge_length(self, repo, file):
        self.answer(200, {"X-Repo-Commit": repo.commit, "ETag": '"e"'}, b"{}", length=1 << 60)
        self.close_connection = True
        return True

    def how_reset(self, repo, file):
        self.reset()
        return True

    def how_reset_once(self, repo, file):
        return repo.count == 1 and self.how_reset(repo, file)

    def how_loop(self, repo, file):
        self.answer(302, {"Location": self.path, "X-Repo-Commit": repo.commit})
        return True

    def how_nowhere(self, repo, file):
        self.answer(302, {"Location": "file:///etc/passwd", "X-Repo-Commit": repo.commit})
        return True

    def how_login(self, repo, file):
        self.answer(200, {"Content-Type": "text/html"}, b"<html>log in</html>")
        return True

    def how_wrong_etag(self, repo, file):
        self.answer(200, {"X-Repo-Commit": repo.commit, "ETag": '"%s"' % ("0" * 40)}, repo.files[file])
        return True

    def how_moving(self, repo, file):
        """Weights of another commit than the config was of, though that one was asked for."""
        other = file.endswith(".safetensors") and file in repo.files
        if other:
            self.hand_out(repo, file, {"X-Repo-Commit": "0" * 40})
        return other

    def how_etag_trick(self, repo, file):
        self.answer(200, {"X-Repo-Commit": repo.commit, "ETag": '"../../../trick"'}, repo.files[file])
        return True

    def how_commit_trick(self, repo, file):
        self.answer(200, {"X-Repo-Commit": "../../../../trick", "ETag": f'"{git_id(repo.files[file])}"'}, repo.files[file])
        return True

    def how_elsewhere(self, repo, file):
        """To another host: the token must not come along, nor come back with the way back."""
        hub = self.server.hub
        if "again" in self.path:
            return False
        self.answer(302, {"Location": f"http://localhost:{hub.far_port}/{urllib.parse.quote(repo.name, safe='')}::{file}", "X-Repo-Commit": repo.commit,
                          "X-Linked-Etag": f'"{git_id(repo.files[file])}"', "X-Linked-Size": len(repo.files[file])})
        return True


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, hub, role):
        self.hub, self.role = hub, role
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request, client_address):
        pass


class Hub:
    def __init__(self, delay=0.0):
        self.repos, self.log, self.proxied, self.lock, self.delay = {}, [], [], threading.Lock(), delay
        self.stop = threading.Event()
        self.servers = [Server(self, "hub"), Server(self, "far")]
        self.port, self.far_port = (s.server_address[1] for s in self.servers)
        self.url = f"http://127.0.0.1:{self.port}"
        for s in self.servers:
            threading.Thread(target=s.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()

    def add(self, name, files=None, how=None, **more):
        self.repos[name] = Repo(name, files, how, **more)
        return self.repos[name]

    def find(self, name):
        return self.repos.get(name)

    def close(self):
        self.stop.set()
        for s in self.servers:
            s.shutdown()
            s.server_close()


def main():
    delay = float(sys.argv[1]) / 1000 if len(sys.argv) > 1 else 0
    hub = Hub(delay)
    config = {"config.json": json.dumps(CONFIG).encode()}
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    hub.add("bench/one", {**config, **sharded(1, pad=50000)})
    hub.add("bench/many", {**config, **sharded(count, pad=50000)})
    print(hub.url, flush=True)
    sys.stdin.read()
    hub.close()


if __name__ == "__main__":
    main()
