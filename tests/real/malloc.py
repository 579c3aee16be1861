# SPDX-License-Identifier: MIT
# Much of what a Python program does; prints the same each time.
import bz2, collections, concurrent.futures, ctypes, decimal, gc, hashlib, io, json, lzma, multiprocessing
import os, pickle, re, signal, socket, sqlite3, subprocess, sys, tempfile, threading, time, xml.etree.ElementTree, zlib


def crunch(seed):
    data = {str(i): [seed, i, "x" * (i % 97), {"deep": [i] * (i % 13)}] for i in range(1500)}
    text = json.dumps(data)
    assert json.loads(text) == data
    words = re.findall(r"(?P<digits>\d+)|(?P<word>x+)", text)
    assert pickle.loads(pickle.dumps(data)) == data
    blob = text.encode() * 3
    for module in (zlib, bz2):
        assert module.decompress(module.compress(blob)) == blob
    return len(words), hashlib.sha256(blob).hexdigest()


def threads():
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        print("threads", sorted(pool.map(crunch, range(6)))[0])
    done = []
    for wave in range(20):
        running = [threading.Thread(target=lambda: done.append(bytearray(wave * 5000))) for _ in range(10)]
        for t in running:
            t.start()
        for t in running:
            t.join()
    print("started", len(done))


def square(n):
    return n * n, len(crunch(n)[1])


def processes():
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print("forked", pool.map(square, range(4)))
    print("spawned", subprocess.run(["sh", "-c", "cat; echo from a shell"], input=b"given ", capture_output=True).stdout)
    running = [subprocess.Popen([sys.executable, "-c", "print(sum(range(%d)))" % n], stdout=subprocess.PIPE) for n in (10, 100, 1000)]
    print("popen", [p.communicate()[0] for p in running])
    for i in range(50):
        pid = os.fork()
        if pid == 0:
            crunch_small = [bytearray(i * 100) for i in range(100)]
            os._exit(len(crunch_small) % 7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
    print("children ended")


def database():
    with tempfile.TemporaryDirectory() as directory:
        c = sqlite3.connect(os.path.join(directory, "db"))
        c.execute("create table t (a integer primary key, b text, c blob)")
        c.executemany("insert into t values (?, ?, ?)", ((i, "text %d" % i, bytes(i % 300)) for i in range(20000)))
        c.execute("create index i on t (b)")
        print("rows", c.execute("select count(*), sum(length(c)), max(b) from t where a % 3 = 0").fetchone())
        print(c.execute("pragma integrity_check").fetchone())


def sockets():
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        for _ in range(30):
            s, _ = server.accept()
            with s:
                s.sendall(s.recv(1000).upper() * 100)

    t = threading.Thread(target=serve)
    t.start()
    total = 0
    for i in range(30):
        with socket.create_connection(server.getsockname()) as s:
            s.sendall(b"hello %d" % i)
            while True:
                got = s.recv(4096)
                if not got:
                    break
                total += len(got)
    t.join()
    server.close()
    print("received", total)


def signals():
    count = 0

    def handler(*_):
        nonlocal count
        count += 1

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    keep = []
    while count < 50:
        keep.append([bytearray(100) for _ in range(100)])
        del keep[:-20]
    signal.setitimer(signal.ITIMER_REAL, 0)
    print("signals")


def objects():
    class Node:
        pass

    for _ in range(20000):
        a, b = Node(), Node()
        a.other, b.other = b, a
    gc.collect()
    huge = [i for i in range(300000)]
    huge = huge * 2
    print("list", len(huge), sum(huge))
    root = xml.etree.ElementTree.Element("root")
    for i in range(5000):
        xml.etree.ElementTree.SubElement(root, "child", n=str(i)).text = "t" * (i % 50)
    print("xml", len(xml.etree.ElementTree.tostring(root)))
    decimal.getcontext().prec = 2000
    print("pi", hashlib.md5(str(decimal.Decimal(2).sqrt()).encode()).hexdigest())
    print("lzma", len(lzma.decompress(lzma.compress(b"abc" * 100000))))
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.realloc.restype = ctypes.c_void_p
    p = libc.malloc(100)
    p = libc.realloc(ctypes.c_void_p(p), 100000)
    ctypes.memset(p, 1, 100000)
    libc.free(ctypes.c_void_p(p))
    print("big", (3**20000) % (10**9 + 7))


if __name__ == "__main__":
    for part in (objects, threads, processes, database, sockets, signals):
        part()
        sys.stdout.flush()
