"""bench_shards.py GPUMEM [DELAY_MS] [SHARDS]: how much longer the headers of many shards take than those of one, of a hub far away."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server

gpumem = sys.argv[1]
delay = float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.1
count = int(sys.argv[3]) if len(sys.argv) > 3 else 48
hub = server.Hub(delay)
config = {"config.json": __import__("json").dumps(server.CONFIG).encode()}
hub.add("bench/one", {**config, **server.sharded(1)})
hub.add("bench/many", {**config, **server.sharded(count)})
seconds = {}
for name in ("bench/one", "bench/many"):
    best = None
    for _ in range(3):
        home = tempfile.mkdtemp()
        start = time.monotonic()
        subprocess.run([gpumem, "pull", name], check=True, stdout=subprocess.DEVNULL, env={"HOME": home, "HF_ENDPOINT": hub.url})
        took = time.monotonic() - start
        best = took if best is None else min(best, took)
        shutil.rmtree(home)
    seconds[name] = best
hub.close()
one, many = seconds["bench/one"], seconds["bench/many"]
print(f"headers of 1 shard: {one:.2f} s; of {count}: {many:.2f} s; {many / one:.2f} times, {(many - one) / delay:.1f} answers of {delay * 1000:.0f} ms more")
